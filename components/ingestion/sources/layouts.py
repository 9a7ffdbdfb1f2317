"""Layouts: what the objects of a place mean, and what every layout gives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.ingestion.sources.places import Entry, Place

# A batch is read, decoded and kept in memory as one piece, and becomes one row group.
BATCH_ROWS = 1000
BATCH_BYTES = 16_000_000

# How sources spell their splits. The private test set of FER2013's contest is nobody's to train or test on here.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
    "publictest": "test",
    "privatetest": "private-test",
}


@dataclass(frozen=True)
class GrayPixels:
    """A picture that its source holds as numbers: ``side * side`` gray levels, row by row."""

    side: int
    levels: bytes


@dataclass(frozen=True)
class Refusal:
    """Why a row of the source can't be used: one fixed word, and words for people."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Record:
    """One row of the source, read.

    Attributes:
        key: path (and row) inside the source, the same wherever the source stands.
        published_split: train, validation, test, private-test, or nothing where the source says none.
        left_out: the taxonomy leaves this class out.
    """

    key: str
    label: str
    published_split: str
    content: bytes | GrayPixels | Refusal
    left_out: bool = False


class Batch(Protocol):
    """Some consecutive rows of a source; a value that can be sent to another process.

    Attributes:
        first: index of its first row in the source. rows: how many. bytes: about how large.
    """

    @property
    def first(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...

    def records(self, place: Place, max_bytes: int) -> Iterator[Record]:
        """Read every row, in order; an object above ``max_bytes`` isn't read."""


@dataclass(frozen=True)
class Reading:
    """How a source will be read: its batches in order, and how many rows it publishes per split (none: empty)."""

    batches: tuple[Batch, ...]
    published: dict[str, int]


class Layout(Protocol):
    """A place understood.

    Attributes:
        name: of the layout. objects: the entries that count, in the order of their names.
    """

    name: str
    objects: tuple[Entry, ...]

    def check(self) -> None:
        """Refuse what can be seen to be unusable from the listing alone. Raises InputError."""

    def reading(self, place: Place, scratch: Path) -> Reading:
        """Plan the reading. Raises InputError, EnvironmentProblem."""


def listing_digest(objects: tuple[Entry, ...]) -> str:
    """SHA-256 over the name, size and checksum of every object, in the order of the names."""
    digest = hashlib.sha256()
    for entry in objects:
        digest.update(f"{entry.name}\0{entry.size}\0{entry.checksum}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
