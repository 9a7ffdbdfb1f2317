"""Layouts: what the objects of a place mean, and what every layout gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.ingestion.sources.storage.storage import Place
from components.shared.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

# So many rows are read, decoded and kept in memory as one piece, and stand in one row group.
BATCH_ROWS = 2000
BATCH_BYTES = 16_000_000

# How sources spell their splits. The private test set of FER2013's contest is nobody's to train or
# test on here.
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


Content = bytes | GrayPixels | Refusal


class Reader(Protocol):
    """Reads what stands in the rows of a source; a value that can be sent to another process."""

    def contents(self, place: Place, rows: pa.Table, max_bytes: int) -> Iterator[Content]:
        """Yield the content of each row, in their order. An object above ``max_bytes`` isn't read.

        Args:
            rows: of `components.ingestion.sources.layouts.columns.WHERE`, and ``row``, their places
                in the source.

        Raises:
            InputError: the source changed after it was listed. EnvironmentProblem: it can't be
                reached.
        """


@dataclass(frozen=True)
class Reading:
    """How a source will be read.

    Attributes:
        rows: what is said of each row and where its content stands, in order:
            `components.ingestion.sources.layouts.columns.ROWS`.
        published: how many rows it publishes per split (none: empty).
    """

    rows: pa.Table
    reader: Reader
    published: dict[str, int]


@dataclass(frozen=True)
class Standing:
    """What the listing alone tells of the usable rows.

    How many per label, and which splits they name ('' for none).
    """

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
    def standing(self) -> Standing | None:
        """What its table stands in, where it has one."""

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
        only = (
            ", ".join(f"{label} ({count:,} images)" for label, count in standing.labels.items())
            or "none that is used"
        )
        raise InputError(
            f"{uri} holds one class only",
            expected="at least two classes",
            received=only,
            fix="add images of other classes",
        )
    if not standing.splits & {"", "train"}:
        raise InputError(
            f"{uri} holds no training images",
            expected="a folder train/",
            received=f"only {', '.join(sorted(standing.splits))}",
        )
