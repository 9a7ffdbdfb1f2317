"""Commands that a person is told to type next, with the options that hold for the present one too.

A hint can be pasted as it is: where the present command was given a store, a host or a namespace,
and the hinted one takes the same option, the hint names it. Words with spaces are quoted for the
shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperGroup

# Options that say where something is and who is asking; what to do is never carried from one
# command to the next.
CARRIED = (
    "model",
    "store",
    "runs",
    "namespace",
    "context",
    "host",
    "auth",
    "profile",
    "ca_file",
    "registry",
    "service_account",
)
_SHOWN = re.compile(
    r"(`)(emotion [^`\n]+)(?=`)|((?:with|by|: )\s*)(emotion [^`·;\n]+?)(?=\s*(?:[·;]|$))",
    re.MULTILINE,
)
_present: ContextVar[typer.Context | None] = ContextVar("present", default=None)


class Group(TyperGroup):
    """A group of commands whose options hold for each of its commands that takes the same one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """See `TyperGroup.resolve_command`."""
        name, command, rest = super().resolve_command(ctx, args)
        ctx.default_map = {**(ctx.default_map or {}), str(name): _given(ctx)}
        if command is not None:
            _present.set(command.make_context(name, list(rest), parent=ctx, resilient_parsing=True))
        return name, command, rest


def hint(*words: str, as_of: Sequence[str] = (), **options: Any) -> str:
    """Return a command to type next.

    Args:
        words: path and arguments, such as ``"models", "approve", run``. as_of: see `complete`.
            options: by the names of the command's parameters; a true one is a flag, an empty one is
                left out.
    """
    line = ["emotion", *words]
    for name, value in options.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        line += [flag] if value is True else [flag, str(value)] if value else []
    return complete(shlex.join(line), as_of)


def complete(line: str, as_of: Sequence[str] = ()) -> str:
    """Return a command with the options in force that it takes and doesn't name.

    Args:
        line: ``emotion`` and what follows it. as_of: words of another command whose options hold
            too, after ``emotion``.
    """
    present, words = _present.get(), _words(line)
    if present is None or not words:
        return line
    root = present.find_root().command
    command, rest = _command(root, words[1:])
    if (
        not rest
        and len(words) > 1
        and hasattr(command, "commands")
        and not command.invoke_without_command
    ):
        return line  # a group that does nothing by itself
    hinted = command.make_context("emotion", list(rest), resilient_parsing=True)
    contexts = [present, *([_parsed(root, list(as_of))] if as_of else [])]
    added = [word for name in CARRIED for word in _addition(hinted, contexts, name)]
    return " ".join([line, *map(shlex.quote, added)])


def complete_all(text: str, as_of: Sequence[str] = ()) -> str:
    """Return a text with every command in it completed: in backticks, or after a colon or "with" to the end of its line or a dot in the middle."""
    return _SHOWN.sub(
        lambda match: (match[1] or match[3]) + complete(match[2] or match[4], as_of), text
    )


def _given(context: Any) -> dict[str, Any]:
    """Return what a context's options were given as: on the command line, or by the group above."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {
        name: context.params[name]
        for name, source in sources.items()
        if source and source.name in ("COMMANDLINE", "DEFAULT_MAP")
    }


def _addition(hinted: Any, contexts: Sequence[Any], name: str) -> list[str]:
    """How the hinted command takes what one of the contexts was given.

    Nothing where it names a value itself, or means something else.
    """
    taken = next((parameter for parameter in hinted.command.params if parameter.name == name), None)
    if taken is None or name in _given(hinted):
        return []
    for context in contexts:
        given = next(
            (parameter for parameter in context.command.params if parameter.name == name), None
        )
        value = _given(context).get(name)
        if value and given is not None and (given.help, given.opts) == (taken.help, taken.opts):
            return (
                [str(value)] if taken.param_type_name == "argument" else [taken.opts[0], str(value)]
            )
    return []


def _parsed(root: Any, words: list[str]) -> Any:
    command, rest = _command(root, words)
    return command.make_context("emotion", rest, resilient_parsing=True)


def _command(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words lead to, and what follows its path."""
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an apostrophe in a sentence
        return []
