"""Places that hold a source's objects: what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """One object of a place.

    Attributes:
        name: path inside the place, as the place spells it.
        size: bytes when read, as the place states them.
        checksum: changes when the content does: a CRC, a generation, or a time of change.
        handle: how the place finds the object again where a name isn't enough.
    """

    name: str
    size: int
    checksum: str
    handle: int = 0


class ObjectUnreadable(Exception):
    """One object of a place can't be read; the others may well be."""


class Place(Protocol):
    """Where objects stand. Opened once per process; not shared between threads."""

    uri: str

    def entries(self) -> list[Entry]:
        """Every object, in no particular order.

        Raises:
            InputError: the place isn't what its URI says. EnvironmentProblem: it can't be reached.
        """

    def read(self, entry: Entry) -> bytes:
        """The whole content of an object. Raises ObjectUnreadable, EnvironmentProblem."""

    def head(self, entry: Entry, count: int) -> bytes:
        """At most the first ``count`` bytes of an object. Raises ObjectUnreadable, EnvironmentProblem."""

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """A local file with an object's content: its own, or a copy in ``folder``. Raises as `read` does."""
