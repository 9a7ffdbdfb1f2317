"""The command line without a process of its own."""

from __future__ import annotations

from typing import Any

import typer

from pipelines.cli.app import app

COMMAND = typer.main.get_command(app)


def emotion(*arguments: str) -> Any:
    return COMMAND(list(arguments), standalone_mode=False)


def options_of(*path: str) -> set[str]:
    """The options of a command, its arguments by their names."""
    command: Any = COMMAND
    for name in path:
        command = command.commands[name]
    return {parameter.opts[0] for parameter in command.params} - {"--help"}


def groups(command: Any = COMMAND) -> list[Any]:
    """Every group of commands, the outermost one first."""
    inner = [
        group
        for name in getattr(command, "commands", {})
        for group in groups(command.commands[name])
    ]
    return [command, *inner] if hasattr(command, "commands") else []
