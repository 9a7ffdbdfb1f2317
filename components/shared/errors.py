"""Errors that a person can act on.

    EmotionError                  anything this project raises on purpose
    ├── InputError                what the user gave can't be used            exit code 2
    │   └── UnknownNameError      a name that isn't in a registry             exit code 2
    ├── ContractError             an artifact is missing, torn or of another version   exit code 3
    ├── ConflictError             someone else changed the same pointer first  exit code 4
    └── EnvironmentProblem        the machine can't do it (disk, permission, missing environment)  exit code 5

A message says what happened, what was expected, what was received and how to fix it, in one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EmotionError(Exception):
    """Base of every error that this project raises on purpose.

    Args:
        happened: what went wrong, as the start of a sentence.
        expected: what would have been right.
        received: what was found instead.
        fix: what the reader can do about it.
    """

    exit_code = 1

    def __init__(
        self, happened: str, *, expected: str = "", received: str = "", fix: str = ""
    ) -> None:
        parts = [happened.rstrip(".")]
        if expected:
            parts.append(f"expected {expected}")
        if received:
            parts.append(f"received {received}")
        if fix:
            parts.append(f"to fix it: {fix}")
        super().__init__("; ".join(parts) + ".")


class InputError(EmotionError):
    """What the user gave can't be used."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name isn't in a registry; the message lists the known ones and suggests the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        if not names:
            super().__init__(f"unknown {kind} {name!r}: there is none yet")
            return
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        fix = f"did you mean {near[0]!r}?" if near else f"use one of the known {kind} names"
        super().__init__(f"unknown {kind} {name!r}", expected=f"one of {', '.join(names)}", fix=fix)


class ContractError(EmotionError):
    """An artifact is missing, incomplete, of another layout version, or not what its checksum says."""

    exit_code = 3


class ConflictError(EmotionError):
    """A compare-and-set lost: the pointer no longer holds what the caller saw."""

    exit_code = 4


class EnvironmentProblem(EmotionError):
    """The machine can't do it: no disk space, no permission, a missing environment."""

    exit_code = 5
