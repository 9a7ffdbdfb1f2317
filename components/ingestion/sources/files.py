"""Rows that are objects of their own, such as image files: batches of them, and how they are read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from components.ingestion.sources import layouts
from components.ingestion.sources.layouts import UNCHANGED, Record, Refusal, Unchanged
from components.ingestion.sources.paths import readable
from components.ingestion.sources.places import Entry, ObjectPlace, ObjectUnreadable, Place, fingerprint

Packed = bytes  # a class with a field of that name can't name the type


class Item(NamedTuple):
    """One object and what is said of it.

    Attributes:
        reason, detail: why it is refused, known without reading it; nothing where it isn't.
        distribution: shares of votes per label, or nothing.
        root: URI of the place that holds it, where that isn't the source's own.
        said: digest of what a manifest says of it.
    """

    entry: Entry
    label: str = ""
    published_split: str = ""
    left_out: bool = False
    reason: str = ""
    detail: str = ""
    distribution: tuple[float, ...] = ()
    root: str = ""
    said: str = ""


@dataclass(frozen=True)
class FileBatch:
    """See `components.ingestion.sources.layouts.Batch`. Items are kept packed: there may be millions of them."""

    first: int
    rows: int
    bytes: int
    source: str
    packed: Packed

    def records(self, place: Place, max_bytes: int, known: Container[str]) -> Iterator[Record]:
        places = {"": cast(ObjectPlace, place)}
        for item in self.items():
            yield self._record(item, places, max_bytes, known)

    def items(self) -> Iterator[Item]:
        for entry, *said in json.loads(zlib.decompress(self.packed)):
            yield Item(Entry(*entry), *said)

    def _record(self, item: Item, places: dict[str, ObjectPlace], max_bytes: int, known: Container[str]) -> Record:
        entry = item.entry
        key = readable(f"{item.root}/{entry.name}" if item.root else entry.name)
        key = f"{self.source}/{key}" if self.source else key
        mark = ""
        content: bytes | Refusal | Unchanged = Refusal(item.reason, item.detail)
        if not item.reason:
            mark = fingerprint(item.root or places[""].origin, self.source, entry.name, entry.size, entry.checksum, item.said)
            content = UNCHANGED if mark in known else _content(entry, _opened(item.root, places), max_bytes)
        return Record(key, item.label, item.published_split, content, item.left_out, self.source, tuple(item.distribution), mark)


def batches_of(items: Iterable[Item], source: str) -> tuple[FileBatch, ...]:
    """Items in their order as batches within `layouts.BATCH_ROWS` and `layouts.BATCH_BYTES`."""
    batches: list[FileBatch] = []
    waiting: list[Item] = []
    first = size = 0
    for item in items:
        if waiting and (len(waiting) >= layouts.BATCH_ROWS or size + item.entry.size > layouts.BATCH_BYTES):
            batches.append(_batch(first, size, source, waiting))
            first, waiting, size = first + len(waiting), [], 0
        waiting.append(item)
        size += item.entry.size
    return (*batches, _batch(first, size, source, waiting))


def _batch(first: int, size: int, source: str, items: list[Item]) -> FileBatch:
    # ASCII escapes also carry names that are no Unicode.
    return FileBatch(first, len(items), size, source, zlib.compress(json.dumps(items).encode(), 1))


def _content(entry: Entry, place: ObjectPlace, max_bytes: int) -> bytes | Refusal:
    if entry.size > max_bytes:
        return Refusal("too-large", f"{entry.size:,} bytes, at most {max_bytes:,} are read")
    try:
        return place.read(entry)
    except ObjectUnreadable as error:
        return Refusal(error.reason, str(error))


def _opened(root: str, places: dict[str, ObjectPlace]) -> ObjectPlace:
    if root not in places:
        from components.ingestion.sources.opening import open_single

        places[root] = open_single(root)
    return places[root]
