"""The generated pages of docs/reference: commands from the command line itself, presets from their files.

python -m pipelines.cli.reference            write them
python -m pipelines.cli.reference --check    1 where one is stale
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import typer

from pipelines.cli.app import app
from pipelines.code_version import ROOT
from pipelines.presets import PRESETS

FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Made by `make docs`. -->"


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; 1 where one is stale."""
    stale = []
    for name, text in {"cli.md": commands_page(), "preset-files.md": presets_page()}.items():
        page = FOLDER / name
        if "--check" not in arguments:
            page.write_text(text)
        elif not page.is_file() or page.read_text() != text:
            stale.append(page)
    for page in stale:
        print(f"{page.relative_to(ROOT)} is stale; to fix it: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


def commands_page() -> str:
    """Return the page of all commands and their options."""
    sections = [
        section
        for path, command in _commands(typer.main.get_command(app), ("emotion",))
        for section in _section(path, command)
    ]
    return "\n".join(["# Commands and options", "", NOTE, "", *sections]).rstrip() + "\n"


def presets_page() -> str:
    """Return the page of what each preset's file says about it."""
    sections = []
    for name in PRESETS:
        module = importlib.import_module(f"pipelines.presets.{name.replace('-', '_')}")
        sections += [f"## {name}", "", inspect.cleandoc(module.__doc__ or ""), ""]
    return "\n".join(["# What each preset's file says", "", NOTE, "", *sections]).rstrip() + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _commands(inner, (*path, name))


def _section(path: tuple[str, ...], command: Any) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = [each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments]
    words = [*path, *(["[OPTIONS]"] if options else []), *usage]
    help_text = re.sub(r"\[/?[a-z]*\]", "", inspect.cleandoc(command.help or ""))
    help_text = re.sub(r"(?m)^  (?=\S)", "    ", re.sub(r"(Examples?:)\n", r"\1\n\n", help_text))
    lines = [f"## {' '.join(path)}", "", "```", " ".join(words), "```", "", help_text, ""]
    rows = [row for each in (*arguments, *options) if (row := _row(each))]
    if rows:
        lines += ["| option | means | default |", "|---|---|---|", *rows, ""]
    return lines


def _row(parameter: Any) -> str:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = "required" if parameter.required else parameter.default
    shown = "" if default in (None, "", False, ()) or callable(default) else str(default)
    means = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    return f"| {names} | {means} | {shown} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
