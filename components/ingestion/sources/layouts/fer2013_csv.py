"""FER2013's CSV: a row per image with the columns emotion (0 to 6), pixels (gray levels) and Usage.

Goodfellow et al. 2013, "Challenges in Representation Learning", section 2.2. The columns may stand
in any order, and Usage may be missing (the contest's `train.csv`); then no split is published.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import pyarrow as pa

from components.ingestion.sources.layouts.columns import ROWS, listed, listing_digest, table_of
from components.ingestion.sources.layouts.layout import (
    SPLIT_NAMES,
    Content,
    GrayPixels,
    Reading,
    Refusal,
)
from components.ingestion.sources.layouts.votes import Opinion, Votes
from components.ingestion.sources.storage.storage import Entry, ObjectPlace, ObjectUnreadable, Place
from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import FER2013_CODES, Taxonomy

MAX_ROW_BYTES = 4_000_000


@dataclass(frozen=True)
class Table:
    """What every row of one CSV shares.

    Attributes:
        path: of a local copy. key: what the keys of its rows start with. source: its short name
            among several.
        columns: as the header names them, in lower case. side: of the square images, in pixels.
        labels: of the emotion codes; None for a class that the taxonomy leaves out.
    """

    path: str
    key: str
    source: str
    columns: tuple[str, ...]
    side: int
    labels: tuple[str | None, ...]


class Row(NamedTuple):
    """A row but for its pixels; ``place`` and ``length`` are bytes in the file."""

    place: int
    length: int
    fingerprint: str
    label: str = ""
    published_split: str = ""
    left_out: bool = False
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class RowReader:
    """See `components.ingestion.sources.layouts.layout.Reader`."""

    table: Table

    def contents(self, place: Place, rows: pa.Table, max_bytes: int) -> Iterator[Content]:
        """See `Reader.contents`."""
        with open(self.table.path, "rb") as stream:
            for start, length in zip(
                rows["handle"].to_pylist(), rows["size"].to_pylist(), strict=True
            ):
                stream.seek(start)
                values = _fields(stream.read(length))
                yield _pixels(values[self.table.columns.index("pixels")], self.table.side)


class Fer2013Csv:
    """See `components.ingestion.sources.layouts.layout.Layout`."""

    name = "fer2013-csv"
    objects = 1
    standing = None

    def __init__(
        self,
        uri: str,
        entry: Entry,
        columns: tuple[str, ...],
        taxonomy: Taxonomy,
        votes: Votes | None = None,
        source: str = "",
    ) -> None:
        self.uri = uri
        self.entry = entry
        self.bytes = entry.size
        self.digest = listing_digest(listed([entry]))
        self.voted = votes is not None
        self._columns = columns
        self._taxonomy = taxonomy
        self._votes = votes
        self._source = source

    def check_names(self) -> None:
        """See `Layout.check_names`."""
        if self._votes is None:
            self._labels()

    def check(self) -> None:
        """See `Layout.check`."""
        self.check_names()

    def reading(self, place: Place, scratch: Path) -> Reading:
        """See `Layout.reading`."""
        try:
            path = cast(ObjectPlace, place).fetch(self.entry, scratch)
        except ObjectUnreadable as error:
            raise InputError(
                f"can't read {self.entry.name} in {self.uri}: {error}",
                expected="a complete CSV",
                fix="download or pack it again",
            ) from error
        key = f"{self._source}/{self.entry.name}" if self._source else self.entry.name
        table = Table(
            str(path),
            key,
            self._source,
            self._columns,
            0,
            self._labels() if self._votes is None else FER2013_CODES,
        )
        pixel_counts: Counter[int] = Counter()
        rows = list(_rows(path, table, pixel_counts))
        if not rows:
            raise InputError(
                f"the CSV {self.entry.name} in {self.uri} has no rows",
                expected="a row per image below the header",
            )
        usual = pixel_counts.most_common(1)[0][0] if pixel_counts else 0
        if usual < 4 or math.isqrt(usual) ** 2 != usual:
            raise InputError(
                f"the rows of {self.entry.name} in {self.uri} aren't square images",
                expected="48 x 48 = 2304 pixels",
                received=f"{usual} pixels",
            )
        if self._votes is not None:
            self._votes.check_rows([row.published_split for row in rows], self.entry.name)
        published = Counter(row.published_split for row in rows if row.published_split)
        return Reading(
            _said(rows, table, self._votes),
            RowReader(replace(table, side=math.isqrt(usual))),
            dict(published),
        )

    def _labels(self) -> tuple[str | None, ...]:
        try:
            return tuple(self._taxonomy.label_of(name) for name in FER2013_CODES)
        except UnknownNameError as error:
            raise InputError(
                f"the taxonomy lacks a class of FER2013 ({error})",
                fix="add it to the labels, the aliases or the classes left out",
            ) from error


def _rows(path: Path, table: Table, pixel_counts: Counter[int]) -> Iterator[Row]:
    """Every row in turn; ``pixel_counts`` is told how many pixels rows have."""
    pixels = table.columns.index("pixels")
    with open(path, "rb") as stream:
        _next_row(stream)  # the header
        while True:
            length, line = _next_row(stream)
            if not line:
                return
            row = Row(stream.tell() - length, length, hashlib.sha256(line.strip()).hexdigest()[:32])
            if length > MAX_ROW_BYTES:
                detail = f"{length:,} bytes, at most {MAX_ROW_BYTES:,} are read"
                yield row._replace(reason="row-too-long", detail=detail)
                continue
            values = _fields(line)
            if len(values) == len(table.columns):
                pixel_counts[values[pixels].count(" ") + 1] += 1
            yield _parsed(row, values, table)


def _parsed(row: Row, values: Sequence[str], table: Table) -> Row:
    if len(values) != len(table.columns):
        return row._replace(
            reason="wrong-columns", detail=f"{len(values)} values for {len(table.columns)} columns"
        )
    named = dict(zip(table.columns, values, strict=True))
    split = SPLIT_NAMES.get(named.get("usage", "").lower(), "")
    row = row._replace(published_split=split)
    if "usage" in named and not split:
        return row._replace(reason="unknown-usage", detail=f"Usage is {named['usage'][:40]!r}")
    emotion = named["emotion"]
    if not (emotion.isascii() and emotion.lstrip("+-").isdigit()):
        return row._replace(reason="not-a-number", detail=f"emotion is {emotion[:40]!r}")
    if not 0 <= int(emotion) < len(FER2013_CODES):
        return row._replace(
            reason="emotion-out-of-range",
            detail=f"emotion is {emotion[:40]}, expected 0 to {len(FER2013_CODES) - 1}",
        )
    label = table.labels[int(emotion)]
    return row._replace(label=label or FER2013_CODES[int(emotion)], left_out=label is None)


def _said(rows: Sequence[Row], table: Table, votes: Votes | None) -> pa.Table:
    """Rows of `ROWS`."""
    columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    opinions = [
        votes.of_row(number)
        if votes is not None and not row.reason
        else Opinion(row.label, row.left_out)
        for number, row in enumerate(rows)
    ]
    return table_of(
        {
            **columns,
            "key": [f"{table.key}#{number}" for number in range(1, len(rows) + 1)],
            "label": [opinion.label for opinion in opinions],
            "left_out": [opinion.left_out for opinion in opinions],
            "label_distribution": [opinion.distribution for opinion in opinions],
            "source": table.source,
            "root": "",
            "name": [table.key.encode()] * len(rows),
            "checksum": "",
            "size": columns["length"],
            "handle": columns["place"],
        },
        ROWS,
    )


def _pixels(text: str, side: int) -> GrayPixels | Refusal:
    numbers = text.split()
    if len(numbers) != side * side:
        return Refusal(
            "wrong-pixel-count",
            f"{len(numbers):,} pixels, expected {side} x {side} = {side * side:,}",
        )
    try:
        levels = [int(number) for number in numbers]
    except ValueError as error:
        return Refusal("not-a-number", f"pixels: {error}"[:200])
    if min(levels) < 0 or max(levels) > 255:
        return Refusal(
            "pixel-out-of-range",
            f"gray levels from {min(levels)} to {max(levels)}, expected 0 to 255",
        )
    return GrayPixels(side, bytes(levels))


def _next_row(stream: BinaryIO) -> tuple[int, bytes]:
    """Length and start of the next line that isn't blank.

    Of one that is too long only the start is kept. Nothing at the end.
    """
    while line := stream.readline(MAX_ROW_BYTES):
        length, last = len(line), line
        while not last.endswith(b"\n"):
            last = stream.readline(MAX_ROW_BYTES)
            if not last:
                break
            length += len(last)
        if line.strip():
            return length, line
    return 0, b""


def _fields(line: bytes) -> list[str]:
    # The format quotes no commas, and a field may be larger than the csv module's process-wide
    # limit.
    return [
        value.strip().strip('"').strip() for value in line.decode("utf-8", "replace").split(",")
    ]
