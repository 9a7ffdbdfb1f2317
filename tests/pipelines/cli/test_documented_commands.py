"""Every `emotion …` that README, docs, a help text or a message shows is one that the command takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from pipelines import presets
from pipelines.cli.app import app
from pipelines.code_version import ROOT

COMMAND: Any = typer.main.get_command(app)
UsageError: Any = typer.BadParameter.__base__
SOURCES = [
    path
    for name in ("pipelines", "components", "infra", "benchmarks")
    for path in sorted((ROOT / name).rglob("*"))
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def in_blocks(text: str) -> list[str]:
    """Lines of code that a person would copy whole."""
    return re.findall(r"^ {2,}(emotion .+?)(?:  .*)?$", text, re.MULTILINE)


def in_sentences(text: str) -> list[str]:
    return re.findall(r"`(emotion [^`\n]+)`", text)


def words_of(line: str) -> list[str]:
    """The words after `emotion`; a place that a program or a person fills holds something."""
    return [
        word for word in shlex.split(re.sub(r"\{[^}]*\}", "SOMETHING", line))[1:] if word != "…"
    ]


def read(words: list[str]) -> Any:
    """Parse them as the command would, and run nothing. Raises UsageError."""
    command, name = COMMAND, "emotion"
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            raise UsageError(f"no command {name}")
        command = command.commands[name]
    if words in ([], ["--help"]) and hasattr(command, "commands"):
        return None
    return command.make_context(name, [word for word in words if word != "--help"])


def complaint(line: str, *, whole: bool) -> str:
    """What is wrong with a shown command; empty where nothing is.

    One in a sentence may leave out what it needs.
    """
    words = words_of(line)
    try:
        context = read(words)
    except UsageError as error:
        incomplete = type(error).__name__ == "MissingParameter" and ("…" in line or not whole)
        return "" if incomplete else f"{line}: {error.format_message()}"
    named = context.params.get("preset") if context else None
    return (
        f"{line}: no preset {named}"
        if isinstance(named, str) and named not in (*presets.PRESETS, "SOMETHING", "")
        else ""
    )


def test_the_documented_commands() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    blocks, sentences = in_blocks(text), in_sentences(text)
    assert len(blocks) >= 12
    assert len(sentences) > 20
    found = [complaint(line, whole=True) for line in blocks] + [
        complaint(line, whole=False) for line in sentences
    ]
    assert [one for one in found if one] == []


def test_the_documented_targets_of_make() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^ {4}| && )make ([a-z-]+)", text, re.MULTILINE))
    assert len(named) > 8
    assert named <= targets


@pytest.mark.parametrize(
    ("path", "command"),
    list(commands(COMMAND)),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_examples_of_a_help_text(path: tuple[str, ...], command: Any) -> None:
    examples = in_blocks(command.help or "")
    assert [one for line in examples if (one := complaint(line, whole=True))] == []
    assert all(tuple(words_of(line)[: len(path)]) == path for line in examples)


def test_commands_that_code_and_messages_name() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {one}"
        for path in SOURCES
        if path.suffix in (".py", ".yaml", ".sh", ".html")
        for line in in_sentences(path.read_text())
        if (one := complaint(line, whole=False))
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "emotion status --presett x",
        "emotion nights",
        "emotion run --preset fer",
        "emotion models lists",
    ],
)
def test_a_command_that_there_is_not_is_found(line: str) -> None:
    assert complaint(line, whole=False)
