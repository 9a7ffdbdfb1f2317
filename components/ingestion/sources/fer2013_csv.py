"""FER2013's CSV: a row per image with the columns emotion (0 to 6), pixels (gray levels) and Usage.

Goodfellow et al. 2013, "Challenges in Representation Learning", section 2.2. The columns may stand in
any order, and Usage may be missing (the contest's `train.csv`); then no split is published.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.labels import FER2013_CODES, Taxonomy
from components.ingestion.sources.layouts import BATCH_BYTES, BATCH_ROWS, SPLIT_NAMES, GrayPixels, Reading, Record, Refusal
from components.ingestion.sources.places import Entry, ObjectUnreadable, Place

HEADER_BYTES = 65_536
MAX_ROW_BYTES = 4_000_000


@dataclass(frozen=True)
class Table:
    """What every row of one CSV shares.

    Attributes:
        path: of a local copy. name: inside the source.
        columns: as the header names them, in lower case. side: of the square images, in pixels.
        labels: of the emotion codes; None for a class that the taxonomy leaves out.
    """

    path: str
    name: str
    columns: tuple[str, ...]
    side: int
    labels: tuple[str | None, ...]


@dataclass(frozen=True)
class RowBatch:
    """Rows by their place in the file. See `components.ingestion.sources.layouts.Batch`."""

    table: Table
    first: int
    spans: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        return len(self.spans)

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.spans)

    def records(self, place: Place, max_bytes: int) -> Iterator[Record]:
        with open(self.table.path, "rb") as stream:
            for index, (offset, length) in enumerate(self.spans):
                key = f"{self.table.name}#{self.first + index + 1}"
                if length > MAX_ROW_BYTES:
                    yield Record(key, "", "", Refusal("row-too-long", f"{length:,} bytes, at most {MAX_ROW_BYTES:,} are read"))
                    continue
                stream.seek(offset)
                yield parse_row(stream.read(length), key, self.table)


class Fer2013Csv:
    """See `components.ingestion.sources.layouts.Layout`."""

    name = "fer2013-csv"

    def __init__(self, uri: str, entry: Entry, columns: tuple[str, ...], taxonomy: Taxonomy) -> None:
        self.uri = uri
        self.objects: tuple[Entry, ...] = (entry,)
        self._columns = columns
        self._taxonomy = taxonomy

    @classmethod
    def found_in(cls, place: Place, entries: Sequence[Entry], taxonomy: Taxonomy) -> Fer2013Csv | None:
        tables = [entry for entry in entries if entry.name.lower().endswith(".csv") and not _is_hidden(entry.name)]
        headers = {entry: _header(place, entry) for entry in tables}
        fitting = [entry for entry in tables if {"emotion", "pixels"} <= set(headers[entry])]
        if len(fitting) > 1:
            names = ", ".join(entry.name for entry in fitting)
            raise InputError(
                f"{place.uri} holds several tables of images", expected="one CSV", received=names, fix="name the one to use with --source"
            )
        if tables and not fitting:
            received = "; ".join(f"{entry.name}: {','.join(headers[entry])[:80] or 'nothing'}" for entry in tables[:3])
            raise InputError(f"the CSV in {place.uri} has the wrong header or none", expected="emotion,pixels,Usage", received=received)
        return cls(place.uri, fitting[0], headers[fitting[0]], taxonomy) if fitting else None

    def check(self) -> None:
        self._labels()

    def reading(self, place: Place, scratch: Path) -> Reading:
        (entry,) = self.objects
        try:
            path = place.fetch(entry, scratch)
        except ObjectUnreadable as error:
            raise InputError(
                f"can't read {entry.name} in {self.uri}: {error}", expected="a complete CSV", fix="download or pack it again"
            ) from error
        table = Table(str(path), entry.name, self._columns, 0, self._labels())
        spans, pixel_counts, usages = _scan(path, table)
        if not spans:
            raise InputError(f"the CSV {entry.name} in {self.uri} has no rows", expected="a row per image below the header")
        usual = pixel_counts.most_common(1)[0][0] if pixel_counts else 0
        if usual < 4 or math.isqrt(usual) ** 2 != usual:
            raise InputError(
                f"the rows of {entry.name} in {self.uri} aren't square images", expected="48 x 48 = 2304 pixels", received=f"{usual} pixels"
            )
        return Reading(tuple(_batches(replace(table, side=math.isqrt(usual)), spans)), usages)

    def _labels(self) -> tuple[str | None, ...]:
        try:
            return tuple(self._taxonomy.label_of(name) for name in FER2013_CODES)
        except UnknownNameError as error:
            raise InputError(
                f"the taxonomy lacks a class of FER2013 ({error})", fix="add it to the labels, the aliases or the classes left out"
            ) from error


def parse_row(line: bytes, key: str, table: Table) -> Record:
    """One row as a record; a row that can't be used is a record with its refusal."""
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
    return Record(key, label or FER2013_CODES[int(emotion)], split, _pixels(row["pixels"], table.side), left_out=label is None)


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


def _header(place: Place, entry: Entry) -> tuple[str, ...]:
    try:
        head = place.head(entry, HEADER_BYTES)
    except ObjectUnreadable as error:
        raise InputError(f"can't read {entry.name} in {place.uri}: {error}", expected="a readable CSV") from error
    first = head.removeprefix(b"\xef\xbb\xbf").splitlines()[:1]
    return tuple(name.lower() for name in _fields(first[0])) if first and first[0].strip() else ()


def _scan(path: Path, table: Table) -> tuple[list[tuple[int, int]], Counter[int], dict[str, int]]:
    """Where every row stands, how many pixels rows have, and which splits they name."""
    spans: list[tuple[int, int]] = []
    pixel_counts: Counter[int] = Counter()
    usages: Counter[str] = Counter()
    pixels = table.columns.index("pixels")
    usage = table.columns.index("usage") if "usage" in table.columns else None
    with open(path, "rb") as stream:
        _span(stream)  # the header
        offset = stream.tell()
        while (found := _span(stream)) is not None:
            length, line = found
            if line.strip():
                spans.append((offset, length))
                values = _fields(line)
                if len(values) == len(table.columns):
                    pixel_counts[values[pixels].count(" ") + 1] += 1
                    usages[SPLIT_NAMES.get(values[usage].lower(), "") if usage is not None else ""] += 1
            offset += length
    return spans, pixel_counts, {split: count for split, count in usages.items() if split}


def _span(stream: BinaryIO) -> tuple[int, bytes] | None:
    """Length and start of the next line; of one that is too long only the start is kept."""
    line: bytes = stream.readline(MAX_ROW_BYTES)
    if not line:
        return None
    length, last = len(line), line
    while not last.endswith(b"\n"):
        last = stream.readline(MAX_ROW_BYTES)
        if not last:
            break
        length += len(last)
    return length, line


def _batches(table: Table, spans: Sequence[tuple[int, int]]) -> Iterator[RowBatch]:
    first = size = 0
    for index, (_, length) in enumerate(spans):
        if index > first and (index - first >= BATCH_ROWS or size + length > BATCH_BYTES):
            yield RowBatch(table, first, tuple(spans[first:index]))
            first, size = index, 0
        size += length
    yield RowBatch(table, first, tuple(spans[first:]))


def _fields(line: bytes) -> list[str]:
    # The format quotes no commas, and a field may be larger than the csv module's process-wide limit.
    return [value.strip().strip('"').strip() for value in line.decode("utf-8", "replace").split(",")]


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.replace("\\", "/").split("/"))
