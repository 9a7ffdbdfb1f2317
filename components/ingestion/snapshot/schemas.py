"""The tables of an examples artifact, and those on the way to it.

Schemas, files, and how the image files are cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingestion.snapshot.near_duplicates import GRID, SKETCH_BYTES
from components.ingestion.sources.layouts import layout
from components.ingestion.sources.layouts.columns import whole
from components.shared.artifacts.contract import EXAMPLE_COLUMNS, REJECTED_COLUMNS

# The validation environment reads these files with pyarrow 10: plain types and format version 2.6
# only.
_TYPES = {
    "string": pa.string(),
    "binary": pa.binary(),
    "int32": pa.int32(),
    "float": pa.float32(),
    "list<float>": pa.list_(pa.float32()),
}
EXAMPLES = pa.schema([(name, _TYPES[kind]) for name, kind in EXAMPLE_COLUMNS.items()])
REJECTED = pa.schema([(name, _TYPES[kind]) for name, kind in REJECTED_COLUMNS.items()])
DECIDED = pa.schema([EXAMPLES.field(name) for name in ("group_id", "split", "note")])
# What the picture says, which an unchanged object needn't be decoded for.
DECODED = pa.schema(
    [
        EXAMPLES.field(name)
        for name in (
            "image",
            "width",
            "height",
            "channels",
            "format",
            "brightness",
            "contrast",
            "sharpness",
            "entropy",
            "perceptual_hash",
        )
    ]
)
# A picture that was read: `row` is its place in the source.
PICTURES = pa.schema(
    [
        ("row", pa.int64()),
        ("example_id", pa.string()),
        ("content_id", pa.string()),
        *DECODED,
        ("sketch", pa.binary(SKETCH_BYTES)),
        ("grid", pa.binary(GRID * GRID)),
    ]
)
REFUSED = pa.schema([("row", pa.int64()), ("reason", pa.string()), ("detail", pa.string())])

SHARD_ROWS = 20_000
SHARD_BYTES = 256_000_000
_ALIKE = [
    "label",
    "split",
    "published_split",
    "note",
    "source",
    "format",
    "width",
    "height",
    "channels",
]


@dataclass(frozen=True)
class Shard:
    """An image file.

    Its name, and of each of its row groups the first row and the one after the last.
    """

    name: str
    groups: tuple[tuple[int, int], ...]


def side_by_side(*tables: pa.Table) -> pa.Table:
    """Return the columns of all of them, whose rows are the same.

    Of a name that several have, the last one's.
    """
    return pa.table(
        {
            name: column
            for table in tables
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )


def plan_shards(sizes: npt.NDArray[np.int64]) -> tuple[Shard, ...]:
    """How rows of these sizes in bytes are cut into files and row groups.

    Depends on nothing else.
    """
    groups = cut(sizes, layout.BATCH_ROWS, layout.BATCH_BYTES)
    files: list[list[tuple[int, int]]] = []
    rows = size = 0
    for start, end in groups:
        more = int(sizes[start:end].sum())
        if not files or rows + end - start > SHARD_ROWS or size + more > SHARD_BYTES:
            files.append([])
            rows = size = 0
        files[-1].append((start, end))
        rows, size = rows + end - start, size + more
    return tuple(
        Shard(f"images-{index:05}-of-{len(files):05}.parquet", tuple(file))
        for index, file in enumerate(files)
    )


def cut(sizes: npt.NDArray[np.int64], rows: int, size: int) -> list[tuple[int, int]]:
    """Stretches of at most ``rows`` rows and ``size`` bytes, or of one row."""
    ends = np.cumsum(sizes)
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        end = max(
            start + 1, min(start + rows, int(np.searchsorted(ends, before + size, side="right")))
        )
        found.append((start, min(end, len(sizes))))
        start = found[-1][1]
    return found


def write_shard(path: Path, groups: Iterable[pa.Table]) -> None:
    """Write row groups, rows of `EXAMPLES` each."""
    # Next to the pictures, which are compressed already, the other columns are small. Nobody looks
    # for rows by statistics.
    with pq.ParquetWriter(
        path,
        EXAMPLES,
        version="2.6",
        compression="NONE",
        use_dictionary=_ALIKE,
        write_statistics=False,
    ) as writer:
        for group in groups:
            columns = [_in_one_piece(group[field.name], field.type) for field in EXAMPLES]
            writer.write_table(pa.Table.from_arrays(columns, schema=EXAMPLES))


def _in_one_piece(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Where a column is in several, the pages in the file depend on them.

    One that is whole already isn't copied.
    """
    found = whole(column)
    return found if found.type == kind else found.cast(kind)


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a table so that it is seen whole or not at all.

    A batch may be read twice, and progress counts these files.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(temporary, path)


def read_arrow(path: Path) -> pa.Table:
    """Return a table mapped from the disk: columns that nobody looks at aren't read."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()
