"""Rows that are objects of their own, such as image files.

How they become columns, and how they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.sources.layouts.columns import (
    ROWS,
    entries_of,
    joined,
    listed,
    table_of,
    texts,
)
from components.ingestion.sources.layouts.layout import Content, Refusal
from components.ingestion.sources.storage.storage import Entry, ObjectPlace, ObjectUnreadable, Place


class Item(NamedTuple):
    """One object and what is said of it.

    Attributes:
        reason, detail: why it is refused, known without reading it; nothing where it isn't.
        distribution: shares of votes per label, or nothing.
        root: URI of the place that holds it, where that isn't the source's own.
        said: what a manifest says of it.
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
class FileReader:
    """See `components.ingestion.sources.layouts.layout.Reader`."""

    def contents(self, place: Place, rows: pa.Table, max_bytes: int) -> Iterator[Content]:
        """See `Reader.contents`."""
        places = {"": cast(ObjectPlace, place)}
        for entry, root in zip(entries_of(rows), rows["root"].to_pylist(), strict=True):
            yield _content(entry, _opened(root, places), max_bytes)


def rows_of(items: Iterable[Item], source: str, origin: str) -> pa.Table:
    """Items as rows of `ROWS`, in their order."""
    entries, *columns = (
        zip(*items, strict=True) if (items := list(items)) else ((),) * len(Item._fields)
    )
    said = dict(zip(Item._fields[1:], columns, strict=True))
    said["label_distribution"] = said.pop("distribution")
    return rows_from(listed(cast(Iterable[Entry], entries)), source, origin, **said)


def rows_from(objects: pa.Table, source: str, origin: str, **told: Any) -> pa.Table:
    """Rows of `ROWS` about objects of a place.

    Args:
        objects: rows of `LISTED`.
        origin: of the place.
        told: columns of `ROWS`, and of `Item.said`; no votes, the place's own root and nothing more
            where they are left out.
    """
    names = texts(objects["name"])
    nobody = pa.ListArray.from_arrays(
        pa.array(np.zeros(len(names) + 1, np.int32)), pa.array([], pa.float32())
    )  # nobody voted
    columns = {"label_distribution": nobody, "root": "", "said": "", **told}
    path, where = names, origin
    if columns["root"]:
        roots = pa.array(columns["root"], pa.string())
        elsewhere = pc.not_equal(roots, "")
        path = pc.if_else(elsewhere, pc.binary_join_element_wise(roots, names, "/"), names)
        where = pc.if_else(elsewhere, roots, origin)
    said = pa.array(columns["said"], pa.string()) if columns["said"] else ""
    columns |= {
        "key": pc.binary_join_element_wise(source, path, "/") if source else path,
        "source": source,
        "fingerprint": joined(where, source, names, objects["size"], objects["checksum"], said),
        **{name: objects[name] for name in ("name", "size", "checksum", "handle")},
    }
    return table_of(columns, ROWS)


def _content(entry: Entry, place: ObjectPlace, max_bytes: int) -> Content:
    if entry.size > max_bytes:
        return Refusal("too-large", f"{entry.size:,} bytes, at most {max_bytes:,} are read")
    try:
        return place.read(entry)
    except ObjectUnreadable as error:
        return Refusal(error.reason, str(error))


def _opened(root: str, places: dict[str, ObjectPlace]) -> ObjectPlace:
    if root not in places:
        from components.ingestion.sources.storage.open import open_single

        places[root] = open_single(root)
    return places[root]
