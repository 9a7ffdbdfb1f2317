"""Frozen dataclasses to JSON and back, strictly.

An unknown key, a missing key or a value of the wrong type is an error that names its place, so a
typing mistake in a preset or an artifact of another version never passes as a default.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from typing import Any, TypeVar

from components.shared.errors import ContractError, UnknownNameError

T = TypeVar("T")


def to_json(value: Any) -> str:
    """Canonical JSON of a dataclass or plain value: sorted keys, no spaces, no NaN."""
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


def to_pretty_json(value: Any) -> str:
    """JSON for people: fields in their declared order, two spaces, a final newline."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """SHA-256 (hex, 64 characters) of the canonical JSON of ``value``."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def from_json(kind: type[T], text: str | bytes, place: str = "") -> T:
    """Read a ``kind`` from JSON text.

    Raises:
        ContractError: the text isn't JSON, or doesn't have exactly the fields of ``kind``.
    """
    place = place or kind.__name__
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ContractError(
            f"{place} isn't valid JSON ({error})", fix="make it again with the tool that wrote it"
        ) from error
    return from_plain(kind, value, place)


def from_plain(kind: type[T], value: Any, place: str) -> T:
    """Read a ``kind`` from what ``json.loads`` gives. Raises ContractError as `from_json` does."""
    return typing.cast(T, _read(kind, value, place))


def json_object(text: str | bytes | None) -> dict[str, Any]:
    """Return a JSON object of any fields.

    Empty for what is missing or can't be read, so that one bad record doesn't hide the others.
    """
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def plain(value: Any) -> Any:
    """Dataclasses and tuples as the dictionaries and lists that JSON has, in their declared order."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _read(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(typing.cast(type, kind), value, place)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _read(inner, value, place)
    if origin is typing.Literal:
        if value not in arguments:
            raise UnknownNameError(place, str(value), [str(argument) for argument in arguments])
        return value
    if origin is tuple:
        _expect(isinstance(value, list), place, "a list", value)
        return tuple(
            _read(arguments[0], item, f"{place}[{index}]") for index, item in enumerate(value)
        )
    if origin is dict:
        _expect(isinstance(value, dict), place, "an object", value)
        return {key: _read(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if kind is float:
        _expect(
            isinstance(value, (int, float)) and not isinstance(value, bool),
            place,
            "a number",
            value,
        )
        return float(value)
    if kind is int:
        _expect(
            isinstance(value, int) and not isinstance(value, bool), place, "a whole number", value
        )
        return value
    _expect(isinstance(value, kind), place, kind.__name__, value)
    return value


def _read_dataclass(kind: type, value: Any, place: str) -> Any:
    _expect(isinstance(value, dict), place, "an object", value)
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for key in value:
        if key not in names:
            raise UnknownNameError(f"field of {place}", key, names)
    required = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in value]
    if missing:
        raise ContractError(
            f"{place} lacks {', '.join(missing)}", expected=f"the fields {', '.join(names)}"
        )
    return kind(**{key: _read(hints[key], item, f"{place}.{key}") for key, item in value.items()})


def _expect(condition: bool, place: str, expected: str, received: Any) -> None:
    if not condition:
        raise ContractError(
            f"{place} has the wrong type", expected=expected, received=repr(received)[:80]
        )
