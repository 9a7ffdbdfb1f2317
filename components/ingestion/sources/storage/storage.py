"""Places that hold a source's objects: what they have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

# Refusals of what archives hold besides files.
LINK = "link"
DEVICE = "device"


class Entry(NamedTuple):
    """One object of a place.

    Attributes:
        name: path inside the place, as the place spells it.
        size: bytes when read, as the place states them.
        checksum: changes when the content does: a CRC, a generation, or a time of change.
        handle: how the place finds the object again where a name isn't enough.
        refusal: one fixed word, where the name stands for something that is never read, such as a
            link.
    """

    name: str
    size: int
    checksum: str
    handle: int = 0
    refusal: str = ""


class ObjectUnreadable(Exception):
    """One object of a place can't be read; the others may well be."""

    reason = "unreadable"


class ObjectGone(ObjectUnreadable):
    """An object that was listed isn't there any more."""

    reason = "vanished"


class Place(Protocol):
    """What the URI of a source, or of several, means: what its layout reads from.

    Opened once per process.
    """

    uri: str


class ObjectPlace(Place, Protocol):
    """Where the objects of one source stand. Not shared between threads.

    Attributes:
        origin: what tells two objects of the same name, size and checksum apart: the place's URI,
            or nothing where the checksum is one of the content.
    """

    origin: str

    def entries(self) -> list[Entry]:
        """Every object, in no particular order.

        Raises:
            InputError: the place isn't what its URI says. EnvironmentProblem: it can't be reached.
        """

    def lookup(self, names: Iterable[str]) -> dict[str, Entry]:
        """Return the objects with these names, relative to where a table in this place stands.

        Those that aren't there are missing.

        Raises as `entries` does.
        """

    def read(self, entry: Entry) -> bytes:
        """Return the whole content of an object. Raises ObjectUnreadable, EnvironmentProblem."""

    def head(self, entry: Entry, count: int) -> bytes:
        """At most the first ``count`` bytes of an object.

        Raises ObjectUnreadable, EnvironmentProblem.
        """

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """Return a local file with an object's content: its own, or a copy in ``folder``.

        Raises as `read` does.
        """
