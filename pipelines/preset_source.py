"""A preset's Python source, with other values in its training policy."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

from components.shared.errors import InputError
from components.shared.preset import TrainingPolicy
from components.shared.serialization import plain
from pipelines.code_version import ROOT


def of(name: str) -> tuple[Path, str]:
    """Path of a preset's module, relative to the checkout, and its text."""
    module = importlib.import_module(f"pipelines.presets.{name.replace('-', '_')}")
    path = Path(str(module.__file__))
    return path.relative_to(ROOT), path.read_text()


def edited(source: str, before: TrainingPolicy, after: TrainingPolicy) -> str:
    """Return the source with what differs between two policies put into its TrainingPolicy, Stage and Augmentation calls.

    Raises:
        InputError: the source has no such call, as where a preset takes another's policy.
    """
    old, new = plain(before), plain(after)
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    stages = sorted(
        (call for call in calls if _name(call) == "Stage"),
        key=lambda call: (call.lineno, call.col_offset),
    )
    changes: list[tuple[ast.Call, str, Any]] = []
    for field in new:
        if field == "stages":
            pairs = zip(
                _need(stages, len(new["stages"])), old["stages"], new["stages"], strict=True
            )
            changes += [
                (call, name, stage[name])
                for call, was, stage in pairs
                for name in stage
                if was[name] != stage[name]
            ]
        elif isinstance(new[field], dict):
            names = [
                name
                for name in new[field]
                if new[field] != old[field] and new[field][name] != old[field][name]
            ]
            inner = _argument(_the(calls, "TrainingPolicy"), field)
            changes += [
                (
                    _need([inner] if isinstance(inner, ast.Call) else [], 1)[0],
                    name,
                    new[field][name],
                )
                for name in names
            ]
        elif new[field] != old[field]:
            changes.append((_the(calls, "TrainingPolicy"), field, new[field]))
    for call, name, value in sorted(
        changes, key=lambda change: _start(change[0], change[1]), reverse=True
    ):
        source = _put(source, call, name, value)
    return source


def _put(source: str, call: ast.Call, name: str, value: Any) -> str:
    lines = source.splitlines(keepends=True)
    there = _argument(call, name)
    row, column = _start(call, name)
    line = lines[row - 1].encode()
    if there is None:  # a default until now: behind the call's last argument
        lines[row - 1] = (line[:column] + f", {name}={value!r}".encode() + line[column:]).decode()
    else:
        lines[row - 1] = (
            line[:column] + repr(value).encode() + line[there.end_col_offset :]
        ).decode()
    return "".join(lines)


def _start(call: ast.Call, name: str) -> tuple[int, int]:
    """Row and byte column of a keyword's value, or of the end of the last argument where the keyword isn't given."""
    there = _argument(call, name)
    if there is not None:
        return there.lineno, there.col_offset
    last = max(
        [*call.args, *(keyword.value for keyword in call.keywords)],
        key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0),
    )
    return last.end_lineno or 0, last.end_col_offset or 0


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _the(calls: list[ast.Call], name: str) -> ast.Call:
    return _need([call for call in calls if _name(call) == name], 1)[0]


def _need(calls: list[ast.Call], count: int) -> list[ast.Call]:
    if len(calls) != count:
        raise InputError(
            "the preset's source doesn't spell out its training policy",
            fix="take the values of best.json by hand",
        )
    return calls


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""
