"""Small Markdown documents about what a step found, for whoever opens it in Kubeflow Pipelines.

Pure.

Labels, file names and the sentences that hold them come from a user's data. `escaped` makes plain
text of them: on one line, of bounded length, and without any sign that Markdown or the viewer of
Kubeflow Pipelines 2.17 (markdown-to-jsx 7) would act on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MOST_ROWS = 60
MOST_CHARACTERS = 400
_ACTIVE = re.compile(r"[\\`*_\[\]<>#|~&@=]|(?<=:)/(?=/)")
_LIST_ITEM = re.compile(r"^(\d*)([-+.)](?=[\s-]|$))")  # "- a", "1. a", a rule "---"; not -0.5


def escaped(value: object) -> str:
    """Return a value as text that Markdown shows as it is, shortened where it is long."""
    line = "".join(character if character.isprintable() else " " for character in str(value))
    line = " ".join(line.split())
    if len(line) > MOST_CHARACTERS:
        line = line[: MOST_CHARACTERS - 1] + "…"
    return _LIST_ITEM.sub(r"\1\\\2", _ACTIVE.sub(r"\\\g<0>", line))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; of many rows the first `MOST_ROWS`, and how many more there are.

    Every cell is escaped.
    """
    lines = [[escaped(cell) for cell in row] for row in rows]
    drawn = [list(header), ["---"] * len(header), *lines[:MOST_ROWS]]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in drawn)
    return text if len(lines) <= MOST_ROWS else f"{text}\n\nand {len(lines) - MOST_ROWS:,} more"


def bullets(sentences: Iterable[object]) -> str:
    """Return a list, one escaped sentence an item."""
    return "\n".join(f"- {escaped(sentence)}" for sentence in sentences)


def document(title: str, *parts: str) -> str:
    """Return a document of a title and of paragraphs, lists and tables.

    Empty parts are left out.
    """
    return "\n\n".join([f"# {title}", *(part for part in parts if part)]) + "\n"
