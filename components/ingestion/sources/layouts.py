"""Layouts: what the objects of a place mean, and what every layout gives."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.contracts.errors import InputError
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
    # The folders that FER+'s own program writes.
    "fer2013train": "train",
    "fer2013valid": "test",
    "fer2013test": "private-test",
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
class Unchanged:
    """Stands for the content of a row whose fingerprint is known: it wasn't read."""


UNCHANGED = Unchanged()


@dataclass(frozen=True)
class Record:
    """One row of the source, read.

    Attributes:
        key: path (and row) inside the source, the same wherever the source stands.
        published_split: train, validation, test, private-test, or nothing where the source says none.
        left_out: the taxonomy, or the vote on this image, leaves it out; ``label`` then says why.
        source: short name of its source among several; empty for the only one.
        label_distribution: shares of the votes, in the order of the taxonomy's labels; empty where there were none.
        fingerprint: changes when the object or the row that this is read from does; empty where nothing can be told.
    """

    key: str
    label: str
    published_split: str
    content: bytes | GrayPixels | Refusal | Unchanged
    left_out: bool = False
    source: str = ""
    label_distribution: tuple[float, ...] = ()
    fingerprint: str = ""


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

    def records(self, place: Place, max_bytes: int, known: Container[str]) -> Iterator[Record]:
        """Read every row, in order.

        An object above ``max_bytes`` isn't read, nor one whose fingerprint is ``known``: `UNCHANGED` stands for it.
        """


@dataclass(frozen=True)
class Reading:
    """How a source will be read: its batches in order, and how many rows it publishes per split (none: empty)."""

    batches: tuple[Batch, ...]
    published: dict[str, int]


@dataclass(frozen=True)
class Standing:
    """What the listing alone tells of the usable rows: how many per label, and which splits they name ('' for none)."""

    labels: Counter[str]
    splits: frozenset[str]


class Layout(Protocol):
    """A place understood.

    Attributes:
        name: of the layout. uri: of the place.
        objects, bytes: how many entries count, and their size.
        digest: changes when one of them does, or what gives them their labels.
        voted: their labels come from votes.
        standing: None where the rows must be read to know.
    """

    name: str
    uri: str
    objects: int
    bytes: int
    digest: str
    voted: bool

    @property
    def standing(self) -> Standing | None: ...

    def check_names(self) -> None:
        """Refuse names that mean nothing. Raises InputError."""

    def check(self) -> None:
        """Refuse what can be seen to be unusable from the listing alone. Raises InputError."""

    def reading(self, place: Place, scratch: Path) -> Reading:
        """Plan the reading. Raises InputError, EnvironmentProblem."""


def refuse_hopeless(uri: str, standing: Standing | None) -> None:
    """Refuse a source that no model can be trained on. Raises InputError."""
    if standing is None:
        return
    if len(standing.labels) < 2:
        only = ", ".join(f"{label} ({count:,} images)" for label, count in standing.labels.items()) or "none that is used"
        raise InputError(f"{uri} holds one class only", expected="at least two classes", received=only, fix="add images of other classes")
    if not standing.splits & {"", "train"}:
        raise InputError(
            f"{uri} holds no training images", expected="a folder train/", received=f"only {', '.join(sorted(standing.splits))}"
        )


def listing_digest(objects: Iterable[Entry]) -> str:
    """SHA-256 over the name, size and checksum of every object, in the order given."""
    digest = hashlib.sha256()
    for entry in objects:
        digest.update(f"{entry.name}\0{entry.size}\0{entry.checksum}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
