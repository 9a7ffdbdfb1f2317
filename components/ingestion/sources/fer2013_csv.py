"""FER2013's CSV: a row per image with the columns emotion (0 to 6), pixels (gray levels) and Usage.

Goodfellow et al. 2013, "Challenges in Representation Learning", section 2.2. The columns may stand in
any order, and Usage may be missing (the contest's `train.csv`); then no split is published.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from array import array
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.labels import FER2013_CODES, Taxonomy
from components.ingestion.sources import layouts
from components.ingestion.sources.files import Packed
from components.ingestion.sources.layouts import SPLIT_NAMES, UNCHANGED, GrayPixels, Reading, Record, Refusal, listing_digest
from components.ingestion.sources.places import Entry, ObjectPlace, ObjectUnreadable, Place
from components.ingestion.sources.votes import Opinion, Votes

MAX_ROW_BYTES = 4_000_000


@dataclass(frozen=True)
class Table:
    """What every row of one CSV shares.

    Attributes:
        path: of a local copy. key: what the keys of its rows start with. source: its short name among several.
        columns: as the header names them, in lower case. side: of the square images, in pixels.
        labels: of the emotion codes; None for a class that the taxonomy leaves out.
    """

    path: str
    key: str
    source: str
    columns: tuple[str, ...]
    side: int
    labels: tuple[str | None, ...]


@dataclass(frozen=True)
class RowBatch:
    """Consecutive rows, by their place in the file. See `components.ingestion.sources.layouts.Batch`.

    Attributes:
        opinions: of the votes on each row, packed; empty where there are none.
    """

    table: Table
    first: int
    rows: int
    offset: int
    bytes: int
    opinions: Packed = b""

    def records(self, place: Place, max_bytes: int, known: Container[str]) -> Iterator[Record]:
        opinions = [Opinion(*said) for said in json.loads(zlib.decompress(self.opinions))] if self.opinions else []
        with open(self.table.path, "rb") as stream:
            stream.seek(self.offset)
            for index in range(self.rows):
                record = self._record(stream, f"{self.table.key}#{self.first + index + 1}", known)
                if opinions and not isinstance(record.content, Refusal):
                    label, left_out, distribution = astuple(opinions[index])
                    record = replace(record, label=label, left_out=left_out, label_distribution=tuple(distribution))
                yield record

    def _record(self, stream: BinaryIO, key: str, known: Container[str]) -> Record:
        length, line = _next_row(stream)
        if length > MAX_ROW_BYTES:
            refusal = Refusal("row-too-long", f"{length:,} bytes, at most {MAX_ROW_BYTES:,} are read")
            return Record(key, "", "", refusal, source=self.table.source)
        mark = hashlib.sha256(line.strip()).hexdigest()[:32]
        return replace(parse_row(line, key, self.table, read=mark not in known), source=self.table.source, fingerprint=mark)


class Fer2013Csv:
    """See `components.ingestion.sources.layouts.Layout`."""

    name = "fer2013-csv"
    objects = 1
    standing = None

    def __init__(
        self, uri: str, entry: Entry, columns: tuple[str, ...], taxonomy: Taxonomy, votes: Votes | None = None, source: str = ""
    ) -> None:
        self.uri = uri
        self.entry = entry
        self.bytes = entry.size
        self.digest = listing_digest([entry])
        self.voted = votes is not None
        self._columns = columns
        self._taxonomy = taxonomy
        self._votes = votes
        self._source = source

    def check_names(self) -> None:
        if self._votes is None:
            self._labels()

    def check(self) -> None:
        self.check_names()

    def reading(self, place: Place, scratch: Path) -> Reading:
        try:
            path = cast(ObjectPlace, place).fetch(self.entry, scratch)
        except ObjectUnreadable as error:
            raise InputError(
                f"can't read {self.entry.name} in {self.uri}: {error}", expected="a complete CSV", fix="download or pack it again"
            ) from error
        key = f"{self._source}/{self.entry.name}" if self._source else self.entry.name
        table = Table(str(path), key, self._source, self._columns, 0, self._labels() if self._votes is None else FER2013_CODES)
        spans, pixel_counts, splits = _scan(path, table)
        if not spans:
            raise InputError(f"the CSV {self.entry.name} in {self.uri} has no rows", expected="a row per image below the header")
        usual = pixel_counts.most_common(1)[0][0] if pixel_counts else 0
        if usual < 4 or math.isqrt(usual) ** 2 != usual:
            raise InputError(
                f"the rows of {self.entry.name} in {self.uri} aren't square images",
                expected="48 x 48 = 2304 pixels",
                received=f"{usual} pixels",
            )
        if self._votes is not None:
            self._votes.check_rows(splits, self.entry.name)
        published = Counter(split for split in splits if split)
        return Reading(tuple(_batches(replace(table, side=math.isqrt(usual)), spans, self._votes)), dict(published))

    def _labels(self) -> tuple[str | None, ...]:
        try:
            return tuple(self._taxonomy.label_of(name) for name in FER2013_CODES)
        except UnknownNameError as error:
            raise InputError(
                f"the taxonomy lacks a class of FER2013 ({error})", fix="add it to the labels, the aliases or the classes left out"
            ) from error


def parse_row(line: bytes, key: str, table: Table, *, read: bool = True) -> Record:
    """One row as a record; a row that can't be used is a record with its refusal. Unless ``read``, its pixels stay unread."""
    values = _fields(line)
    if len(values) != len(table.columns):
        return Record(key, "", "", Refusal("wrong-columns", f"{len(values)} values for {len(table.columns)} columns"))
    row = dict(zip(table.columns, values, strict=True))
    split = SPLIT_NAMES.get(row.get("usage", "").lower(), "")
    if "usage" in row and not split:
        return Record(key, "", "", Refusal("unknown-usage", f"Usage is {row['usage'][:40]!r}"))
    emotion = row["emotion"]
    if not (emotion.isascii() and emotion.lstrip("+-").isdigit()):
        return Record(key, "", split, Refusal("not-a-number", f"emotion is {emotion[:40]!r}"))
    if not 0 <= int(emotion) < len(FER2013_CODES):
        return Record(key, "", split, Refusal("emotion-out-of-range", f"emotion is {emotion[:40]}, expected 0 to {len(FER2013_CODES) - 1}"))
    label = table.labels[int(emotion)]
    content = _pixels(row["pixels"], table.side) if read else UNCHANGED
    return Record(key, label or FER2013_CODES[int(emotion)], split, content, left_out=label is None)


def _pixels(text: str, side: int) -> GrayPixels | Refusal:
    numbers = text.split()
    if len(numbers) != side * side:
        return Refusal("wrong-pixel-count", f"{len(numbers):,} pixels, expected {side} x {side} = {side * side:,}")
    try:
        levels = [int(number) for number in numbers]
    except ValueError as error:
        return Refusal("not-a-number", f"pixels: {error}"[:200])
    if min(levels) < 0 or max(levels) > 255:
        return Refusal("pixel-out-of-range", f"gray levels from {min(levels)} to {max(levels)}, expected 0 to 255")
    return GrayPixels(side, bytes(levels))


def _scan(path: Path, table: Table) -> tuple[array[int], Counter[int], list[str]]:
    """Offset and length of every row in turn, how many pixels rows have, and the split that each names."""
    spans: array[int] = array("Q")
    pixel_counts: Counter[int] = Counter()
    splits: list[str] = []
    pixels = table.columns.index("pixels")
    usage = table.columns.index("usage") if "usage" in table.columns else None
    with open(path, "rb") as stream:
        _next_row(stream)  # the header
        while True:
            length, line = _next_row(stream)
            if not line:
                return spans, pixel_counts, splits
            spans.extend((stream.tell() - length, length))
            values = _fields(line)
            whole = len(values) == len(table.columns)
            splits.append(SPLIT_NAMES.get(values[usage].lower(), "") if whole and usage is not None else "")
            if whole:
                pixel_counts[values[pixels].count(" ") + 1] += 1


def _next_row(stream: BinaryIO) -> tuple[int, bytes]:
    """Length and start of the next line that isn't blank; of one that is too long only the start is kept. Nothing at the end."""
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


def _batches(table: Table, spans: array[int], votes: Votes | None) -> Iterator[RowBatch]:
    first = 0
    offset = spans[0]
    count = len(spans) // 2
    for row in range(count):
        last = row + 1 == count
        end = spans[2 * row] + spans[2 * row + 1]
        if last or row + 1 - first >= layouts.BATCH_ROWS or end + spans[2 * row + 3] - offset > layouts.BATCH_BYTES:
            opinions = [astuple(votes.of_row(number)) for number in range(first, row + 1)] if votes else None
            packed = zlib.compress(json.dumps(opinions).encode(), 1) if opinions else b""
            yield RowBatch(table, first, row + 1 - first, offset, end - offset, packed)
            first, offset = row + 1, 0 if last else spans[2 * row + 2]


def _fields(line: bytes) -> list[str]:
    # The format quotes no commas, and a field may be larger than the csv module's process-wide limit.
    return [value.strip().strip('"').strip() for value in line.decode("utf-8", "replace").split(",")]
