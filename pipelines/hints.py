"""Commands that a person is told to type next, with the options that hold for the present one too.

A hint can be pasted as it is: where the present command was given a store, a host or a namespace, and the hinted one takes the
same option, the hint names it. Words with spaces are quoted for the shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperGroup

# Options that say where something is and who is asking; what to do is never carried from one command to the next.
CARRIED = ("model", "store", "runs", "namespace", "context", "host", "auth", "profile", "ca_file")
_SHOWN = re.compile(r"(`)(emotion [^`\n]+)(?=`)|((?:with|by|: )\s*)(emotion [^`·;\n]+?)(?=\s*(?:[·;]|$))", re.MULTILINE)
_present: ContextVar[typer.Context | None] = ContextVar("present", default=None)


class Group(TyperGroup):
    """A group of commands whose options hold for each of its commands that takes the same one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        ctx.default_map = {**(ctx.default_map or {}), str(name): _given(ctx)}
        if command is not None:
            _present.set(command.make_context(name, list(rest), parent=ctx, resilient_parsing=True))
        return name, command, rest


def hint(*words: str, **options: Any) -> str:
    """A command to type next.

    Args:
        words: path and arguments, such as ``"models", "approve", run``. options: by the names of the command's parameters; a true
            one is a flag, an empty one is left out.
    """
    line = ["emotion", *words]
    for name, value in options.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        line += [flag] if value is True else [flag, str(value)] if value else []
    return complete(shlex.join(line))


def complete(line: str, **known: str) -> str:
    """A command with the options in force that it takes and doesn't name.

    Args:
        line: ``emotion`` and what follows it. known: more that holds, by the names of parameters, such as the model.
    """
    context = _present.get()
    words = _words(line)
    if context is None or not words:
        return line
    command, rest = _command(context.find_root().command, words[1:])
    if not rest and len(words) > 1 and hasattr(command, "commands") and not command.invoke_without_command:
        return line  # a group that does nothing by itself
    hinted = command.make_context("emotion", list(rest), resilient_parsing=True)
    added = [word for name, value in _in_force(context, known) for word in _addition(command, hinted, name, value)]
    return " ".join([line, *map(shlex.quote, added)])


def complete_all(text: str, **known: str) -> str:
    """A text with every command in it completed: in backticks, or after a colon or "with" to the end of its line or a dot in the middle."""
    return _SHOWN.sub(lambda match: (match[1] or match[3]) + complete(match[2] or match[4], **known), text)


def _given(context: Any) -> dict[str, Any]:
    """What a context's options were given as: on the command line, or by the group above."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, source in sources.items() if source and source.name in ("COMMANDLINE", "DEFAULT_MAP")}


def _in_force(context: Any, known: Mapping[str, str]) -> Iterator[tuple[Any, Any]]:
    """Parameters of the present command that were given, and their values; of ``known`` only the name is there."""
    given = _given(context)
    parameters = {parameter.name: parameter for parameter in context.command.params}
    for name in CARRIED:
        if known.get(name):
            yield name, known[name]
        elif name in given:
            yield parameters[name], given[name]


def _addition(command: Any, hinted: Any, present: Any, value: Any) -> list[str]:
    """How the hinted command takes a value; nothing where it names one itself, or means something else by the name."""
    name = present if isinstance(present, str) else present.name
    for parameter in command.params:
        same = isinstance(present, str) or (parameter.help == present.help and parameter.opts == present.opts)
        source = hinted.get_parameter_source(name)
        if parameter.name == name and same and (source is None or source.name == "DEFAULT"):
            return [str(value)] if parameter.param_type_name == "argument" else [parameter.opts[0], str(value)]
    return []


def _command(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that words lead to, and what follows its path."""
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an apostrophe in a sentence
        return []
