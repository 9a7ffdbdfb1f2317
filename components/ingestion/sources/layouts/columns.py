"""A listing, and what is said of it, as columns.

There may be millions of objects, and no Python object stands for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.sources.storage.paths import readable
from components.ingestion.sources.storage.storage import Entry, ObjectPlace

WORD = pa.dictionary(pa.int32(), pa.string())  # one of a few
# `places.Entry`. A name is bytes: a disk may hold names that are no Unicode.
LISTED = pa.schema(
    [
        ("name", pa.binary()),
        ("size", pa.int64()),
        ("checksum", pa.string()),
        ("handle", pa.int64()),
        ("refusal", WORD),
    ]
)
# What a source says of each row: `key`, path (and row) inside the source, the same wherever the
# source stands; `published_split`: train, validation, test, private-test, or nothing; `left_out`:
# the taxonomy, or the vote, leaves it out, and `label` says why; `source`: short name among
# several; `label_distribution`: shares of the votes; `fingerprint`: changes when what is read does;
# `reason`, `detail`: why it is refused without being read.
SAID = pa.schema(
    [
        ("key", pa.string()),
        ("label", WORD),
        ("published_split", WORD),
        ("left_out", pa.bool_()),
        ("source", WORD),
        ("label_distribution", pa.list_(pa.float32())),
        ("fingerprint", pa.string()),
        ("reason", WORD),
        ("detail", WORD),
    ]
)
# Where its content stands; `root`: URI of the place that holds it, where that isn't the source's
# own.
WHERE = pa.schema([*(field for field in LISTED if field.name != "refusal"), ("root", WORD)])
ROWS = pa.schema([*SAID, *WHERE])


def listing(place: ObjectPlace) -> pa.Table:
    """Every object of a place: rows of `LISTED`, by name. Raises as `ObjectPlace.entries` does."""
    columns = getattr(place, "columns", None)
    table = columns() if columns is not None else listed(place.entries())
    return table.take(
        pc.sort_indices(table, sort_keys=[("name", "ascending"), ("handle", "ascending")])
    )


def listed(entries: Iterable[Entry]) -> pa.Table:
    """Rows of `LISTED`."""
    names, *others = (
        zip(*entries, strict=True) if (entries := list(entries)) else ((), (), (), (), ())
    )
    columns = [
        [name.encode("utf-8", "surrogateescape") for name in cast(tuple[str, ...], names)],
        *others,
    ]
    return table_of(dict(zip(LISTED.names, columns, strict=True)), LISTED)


def entries_of(table: pa.Table) -> Iterator[Entry]:
    """Yield the rows as entries; those of `WHERE` have no refusal."""
    refusals = (
        table["refusal"].to_pylist() if "refusal" in table.column_names else [""] * len(table)
    )
    rows = zip(
        *(table[name].to_pylist() for name in ("name", "size", "checksum", "handle")),
        refusals,
        strict=True,
    )
    return (Entry(name.decode("utf-8", "surrogateescape"), *others) for name, *others in rows)


def table_of(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """Return a table of lists, arrays, or one value for all of its rows."""
    rows = max(
        (len(column) for column in columns.values() if not isinstance(column, (str, bool))),
        default=0,
    )
    return pa.table(
        [_column(columns[field.name], field.type, rows) for field in schema], schema=schema
    )


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece; one that is already isn't copied."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def texts(names: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Names as valid Unicode."""
    names = whole(names) if isinstance(names, pa.ChunkedArray) else names
    try:
        return names.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(
            [readable(name.decode("utf-8", "surrogateescape")) for name in names.to_pylist()],
            pa.string(),
        )


def ending(names: pa.Array, pattern: str, among: pa.Array) -> pa.Array:
    """Which of some names match a pattern (`paths.ending_with`); the others aren't looked at."""
    return pc.replace_with_mask(
        among, among, pc.match_substring_regex(names.filter(among), pattern)
    )


def parted(names: pa.Array) -> tuple[pa.DictionaryArray, pa.Array]:
    """Return what stands before and what stands after the last slash of each name."""
    ends = np.frombuffer(names.buffers()[1], np.int32, len(names) + 1, 4 * names.offset)
    letters = np.frombuffer(names.buffers()[2] or b"", np.uint8)[: ends[-1]]
    slashes = np.concatenate([[-1], np.flatnonzero(letters == ord("/"))]).astype(np.int32)
    last = slashes[np.searchsorted(slashes, ends[1:]) - 1]
    inside = last >= ends[:-1]
    cuts = np.stack(
        [ends[:-1], np.where(inside, last, ends[:-1]), np.where(inside, last + 1, ends[:-1])],
        axis=1,
    ).ravel()
    # Cut there, the text of all names is an array of folders, slashes and files in turn.
    cuts = np.append(cuts, ends[-1])
    pieces = pa.StringArray.from_buffers(len(cuts) - 1, pa.py_buffer(cuts), pa.py_buffer(letters))
    turns = np.arange(0, len(cuts) - 1, 3)
    return pieces.take(pa.array(turns)).dictionary_encode(), pieces.take(pa.array(turns + 2))


def joined(*columns: Any) -> pa.Array:
    """Return the parts of each row, told apart: one text, as `fingerprint` columns are."""
    parts = [
        column if isinstance(column, str) else pc.cast(column, pa.string()) for column in columns
    ]
    return pc.binary_join_element_wise(*parts, "\0")


def listing_digest(objects: pa.Table) -> str:
    """SHA-256 over the name, size and checksum of every object, in the order given."""
    digest = hashlib.sha256()
    for start in range(0, len(objects), 10_000):
        part = objects.slice(start, 10_000)
        lines = pc.binary_join_element_wise(
            part["name"],
            *(
                pc.cast(pc.cast(part[name], pa.string()), pa.binary())
                for name in ("size", "checksum")
            ),
            b"\0",
        )
        ended = whole(pc.binary_join_element_wise(lines, b"", b"\n"))
        end = np.frombuffer(ended.buffers()[1], np.int32)[len(ended)]
        digest.update(
            memoryview(ended.buffers()[2])[:end]
        )  # where all lines stand one behind the other
    return digest.hexdigest()


def _column(values: Any, kind: pa.DataType, rows: int) -> Any:
    if isinstance(values, (str, bool)):
        if pa.types.is_dictionary(kind):
            return pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([values])
            )
        return pa.repeat(pa.scalar(values, kind), rows)
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return (
            values
            if values.type == kind
            else values.dictionary_encode()
            if pa.types.is_dictionary(kind)
            else values.cast(kind)
        )
    return (
        pa.array(values, pa.string()).dictionary_encode()
        if pa.types.is_dictionary(kind)
        else pa.array(values, kind)
    )
