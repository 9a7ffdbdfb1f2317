"""The tables of an examples artifact: schemas, the parts that batches become, and the shards made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.artifacts import EXAMPLE_COLUMNS, REJECTED_COLUMNS
from components.images.decode import MAX_BYTES, ImageRefused, decode, encode_png
from components.ingestion.quality import content_id, example_id, quality
from components.ingestion.sources.layouts import Batch, GrayPixels, Record, Refusal
from components.ingestion.sources.places import Place
from components.ingestion.splits import CLASS_LEFT_OUT

# The validation environment reads these files with pyarrow 10: plain types and format version 2.6 only.
_TYPES = {"string": pa.string(), "binary": pa.binary(), "int32": pa.int32(), "float": pa.float32()}
EXAMPLES = pa.schema([(name, _TYPES[kind]) for name, kind in EXAMPLE_COLUMNS.items()])
REJECTED = pa.schema([(name, _TYPES[kind]) for name, kind in REJECTED_COLUMNS.items()])
_DECIDED_LATER = ("split", "note")
PART = pa.schema([("row", pa.int64()), *(field for field in EXAMPLES if field.name not in _DECIDED_LATER)])
_ALIKE = ["label", "split", "published_split", "note", "format", "width", "height", "channels"]


@dataclass(frozen=True)
class BatchResult:
    """A batch, read and decoded.

    Attributes:
        accepted: rows of `PART`. rejected: rows of `REJECTED`.
        members: per accepted row its group, and the row's index with what `splits.settle` needs to know of it.
    """

    accepted: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    members: list[tuple[str, tuple[int, str]]]


def read_batch(batch: Batch, place: Place) -> BatchResult:
    """Read and decode every row of a batch; a bad one is rejected with its reason and never ends the run."""
    result = BatchResult([], [], [])
    for index, record in enumerate(batch.records(place, MAX_BYTES), batch.first):
        row = example_row(record)
        if isinstance(row, Refusal):
            result.rejected.append({"source_uri": record.key, "reason": row.reason, "detail": row.detail[:500]})
        else:
            result.accepted.append({"row": index, **row})
            result.members.append((row["group_id"], (index, CLASS_LEFT_OUT if record.left_out else record.published_split)))
    return result


def example_row(record: Record) -> dict[str, Any] | Refusal:
    """One row of `PART` but its index, or why there is none."""
    content = record.content
    if isinstance(content, Refusal):
        return content
    if isinstance(content, GrayPixels):
        content = _as_png(content)
    try:
        decoded = decode(content)
    except ImageRefused as error:
        return Refusal(error.reason, error.detail)
    identity = content_id(decoded.pixels)
    return {
        "example_id": example_id(identity, record.key),
        "content_id": identity,
        "group_id": identity,
        "image": content,
        "label": record.label,
        "published_split": record.published_split,
        "source_uri": record.key,
        "width": decoded.pixels.shape[1],
        "height": decoded.pixels.shape[0],
        "channels": 1 if decoded.pixels.ndim == 2 else 3,
        "format": decoded.format,
        **asdict(quality(decoded.pixels)),
    }


def write_part(folder: Path, number: int, result: BatchResult) -> None:
    """Write what a batch became, the accepted rows last: their file says that the batch is done."""
    _write_arrow(folder / f"rejected-{number:06}.arrow", pa.Table.from_pylist(result.rejected, schema=REJECTED))
    _write_arrow(folder / f"accepted-{number:06}.arrow", pa.Table.from_pylist(result.accepted, schema=PART))


def write_shard(path: Path, parts: Path, numbers: Sequence[int], places: Mapping[int, tuple[str, str]]) -> None:
    """Join the parts of a shard, a row group each, with the split and the note of every row."""
    # Pictures are compressed already, and their smallest and largest bytes are no statistics.
    others = [name for name in EXAMPLES.names if name != "image"]
    compression = {name: "NONE" if name == "image" else "ZSTD" for name in EXAMPLES.names}
    with pq.ParquetWriter(path, EXAMPLES, version="2.6", compression=compression, use_dictionary=_ALIKE, write_statistics=others) as writer:
        for number in numbers:
            part = _read_arrow(parts / f"accepted-{number:06}.arrow")
            if len(part):
                decided = [places[row] for row in part["row"].to_pylist()]
                later = dict(zip(_DECIDED_LATER, map(pa.array, zip(*decided, strict=True)), strict=True))
                columns = [later[name] if name in later else part[name] for name in EXAMPLES.names]
                writer.write_table(pa.Table.from_arrays(columns, schema=EXAMPLES))


def write_rejected(path: Path, parts: Path, count: int) -> pa.Table:
    """Join the rejected rows of all ``count`` parts, in the order of the source."""
    table = pa.concat_tables([_read_arrow(parts / f"rejected-{number:06}.arrow") for number in range(count)])
    pq.write_table(table, path, version="2.6", compression="ZSTD")
    return table


def _as_png(content: GrayPixels) -> bytes:
    return encode_png(np.frombuffer(content.levels, np.uint8).reshape(content.side, content.side))


def _write_arrow(path: Path, table: pa.Table) -> None:
    # Seen whole or not at all: a batch may be read twice, and progress counts these files.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(temporary, path)


def _read_arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()
