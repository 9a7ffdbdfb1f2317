"""The one check that every policy makes of its own values."""

from __future__ import annotations

from components.shared.errors import InputError


def require(condition: bool, what: str, expected: str, received: object) -> None:
    """Raise InputError unless ``condition``: a policy checks itself when it is made."""
    if not condition:
        raise InputError(f"{what} is out of range", expected=expected, received=repr(received))
