"""A strict reading of the page: balanced tags, unique ids, nothing loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}
LOADING = {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"}


class Page(HTMLParser):
    """Raises AssertionError at the first unbalanced tag; collects what tests ask for."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts = 0
        self.feed(content)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}> at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.tags if "id" in attributes]

    @property
    def loads(self) -> list[str]:
        """Every reference that the browser would follow by itself, out of the file."""
        found = [
            str(value)
            for tag, attributes in self.tags
            if tag != "a"
            for name, value in attributes.items()
            if name in LOADING
        ]
        return [value for value in found if not value.startswith(("#", "data:"))]

    @property
    def links(self) -> list[str]:
        """Where a reader can go from here, out of the file."""
        found = [str(attributes["href"]) for tag, attributes in self.tags if tag == "a"]
        return [value for value in found if not value.startswith("#")]

    @property
    def handlers(self) -> list[str]:
        return [name for _, attributes in self.tags for name in attributes if name.startswith("on")]


def external_styles(content: str) -> list[str]:
    """References in style sheets that would leave the file."""
    return [
        value for value in re.findall(r"url\(([^)]*)\)", content) if not value.startswith("#")
    ] + re.findall(r"@import", content)
