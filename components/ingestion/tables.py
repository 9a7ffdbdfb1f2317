"""The tables of an examples artifact: schemas, the parts that batches become, and the shards made of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.artifacts import EXAMPLE_COLUMNS, REJECTED_COLUMNS
from components.images.decode import MAX_BYTES, ImageRefused, decode, encode_png
from components.ingestion.earlier import INDEX, EarlierRows
from components.ingestion.neighbours import GRID, grid, sketches
from components.ingestion.overlays import Overlays
from components.ingestion.quality import content_id, example_id, quality
from components.ingestion.sources.layouts import Batch, GrayPixels, Record, Refusal, Unchanged
from components.ingestion.sources.places import Place
from components.ingestion.splits import CLASS_LEFT_OUT

# The validation environment reads these files with pyarrow 10: plain types and format version 2.6 only.
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
        for name in ("content_id", "image", "width", "height", "channels", "format", "brightness", "contrast", "sharpness", "entropy",
                     "perceptual_hash")
    ]
)  # fmt: skip
GRID_FIELD = pa.field("grid", pa.binary(GRID * GRID))
# `grid` is null in reused rows. `published` is what `splits.decide` takes: the published split, or that the taxonomy leaves the class out.
PART = pa.schema(
    [
        *(field for field in EXAMPLES if field.name not in DECIDED.names),
        *INDEX,
        GRID_FIELD,
        ("published", pa.string()),
        ("reused", pa.bool_()),
        ("relabelled", pa.bool_()),
    ]
)
FORGOTTEN = "forgotten"
_ALIKE = ["label", "split", "published_split", "note", "source", "format", "width", "height", "channels"]


@dataclass(frozen=True)
class BatchResult:
    """A batch, read and decoded: rows of `PART`, and of `REJECTED`."""

    accepted: pa.Table
    rejected: pa.Table


def read_batch(batch: Batch, place: Place, earlier: EarlierRows | None = None, overlays: Overlays | None = None) -> BatchResult:
    """Read every row of a batch and decode the new ones; a bad one is rejected with its reason and never ends the run."""
    earlier, overlays = earlier or EarlierRows(None, ()), overlays or Overlays()
    records: list[Record] = []
    rejected: list[dict[str, str]] = []
    decoded: list[dict[str, Any]] = []
    grids: list[Any] = []
    places: list[int] = []
    for record in batch.records(place, MAX_BYTES, earlier.places):
        if isinstance(record.content, Unchanged):
            places.append(earlier.places[record.fingerprint])
            records.append(record)
            continue
        found = decoded_row(record.content)
        if isinstance(found, Refusal):
            rejected.append({"source_uri": record.key, "reason": found.reason, "detail": found.detail[:500]})
        else:
            decoded.append(found[0])
            grids.append(found[1])
            records.append(record)
    part = _part(records, _pictures(records, decoded, grids, earlier, places), overlays)
    keep = pc.invert(pc.is_in(part["content_id"], value_set=pa.array(sorted(overlays.forgotten), pa.string())))
    gone = part.filter(pc.invert(keep))["source_uri"].to_pylist()
    rejected.extend({"source_uri": uri, "reason": FORGOTTEN, "detail": ""} for uri in gone)
    return BatchResult(part.filter(keep) if gone else part, pa.Table.from_pylist(rejected, schema=REJECTED))


def decoded_row(content: bytes | GrayPixels | Refusal) -> tuple[dict[str, Any], Any] | Refusal:
    """The values of `DECODED` and the grid of one picture, or why there are none."""
    if isinstance(content, Refusal):
        return content
    if isinstance(content, GrayPixels):
        content = encode_png(np.frombuffer(content.levels, np.uint8).reshape(content.side, content.side))
    try:
        decoded = decode(content)
    except ImageRefused as error:
        return Refusal(error.reason, error.detail)
    pixels = decoded.pixels
    row = {
        "content_id": content_id(pixels),
        "image": content,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "channels": 1 if pixels.ndim == 2 else 3,
        "format": decoded.format,
        **asdict(quality(pixels)),
    }
    return row, grid(pixels)


def write_part(folder: Path, number: int, result: BatchResult) -> None:
    """Write what a batch became, the accepted rows last: their file says that the batch is done."""
    write_arrow(folder / f"rejected-{number:06}.arrow", result.rejected)
    write_arrow(folder / f"accepted-{number:06}.arrow", result.accepted)


def read_part(folder: Path, number: int) -> pa.Table:
    """The accepted rows of a batch, mapped from the disk: columns that nobody looks at aren't read."""
    return read_arrow(folder / f"accepted-{number:06}.arrow")


def write_shard(path: Path, parts: Path, numbers: Sequence[int], decided: pa.Table) -> None:
    """Join the parts of a shard, a row group each, with what was decided of their rows."""
    # Pictures are compressed already, and their smallest and largest bytes are no statistics.
    others = [name for name in EXAMPLES.names if name != "image"]
    compression = {name: "NONE" if name == "image" else "ZSTD" for name in EXAMPLES.names}
    compression["label_distribution.list.element"] = compression.pop("label_distribution")
    start = 0
    with pq.ParquetWriter(path, EXAMPLES, version="2.6", compression=compression, use_dictionary=_ALIKE, write_statistics=others) as writer:
        for number in numbers:
            part = read_part(parts, number)
            if len(part):
                later = decided.slice(start, len(part)).combine_chunks()
                columns = [later[name] if name in DECIDED.names else part[name] for name in EXAMPLES.names]
                writer.write_table(pa.Table.from_arrays(columns, schema=EXAMPLES))
                start += len(part)


def write_rejected(path: Path, parts: Path, count: int) -> tuple[pa.Table, int]:
    """Join the rejected rows of all ``count`` parts, in the order of the source; also how many were forgotten, which no file names."""
    table = pa.concat_tables([read_arrow(parts / f"rejected-{number:06}.arrow") for number in range(count)])
    told = table.filter(pc.not_equal(table["reason"], FORGOTTEN))
    pq.write_table(told, path, version="2.6", compression="ZSTD")
    return told, len(table) - len(told)


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a table so that it is seen whole or not at all: a batch may be read twice, and progress counts these files."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(temporary, path)


def read_arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


def _pictures(
    records: Sequence[Record], decoded: list[dict[str, Any]], grids: list[Any], earlier: EarlierRows, places: Sequence[int]
) -> pa.Table:
    """`DECODED`, `sketch` and `grid` of every record: from decoding, or from the earlier snapshot, in the order of the records."""
    new = pa.Table.from_pylist(decoded, schema=DECODED)
    levels = np.stack(grids) if grids else np.zeros((0, GRID * GRID), np.uint8)
    for field, values in ((INDEX.field("sketch"), sketches(levels)), (GRID_FIELD, levels)):
        packed = pa.py_buffer(np.ascontiguousarray(values).tobytes())
        new = new.append_column(field, pa.FixedSizeBinaryArray.from_buffers(field.type, len(levels), [None, packed]))
    if not places:
        return new
    old = earlier.take(places)
    old = old.append_column(GRID_FIELD, pa.nulls(len(old), GRID_FIELD.type))
    if not decoded:
        return old
    reused = np.array([isinstance(record.content, Unchanged) for record in records])
    order = np.where(reused, len(new) + np.cumsum(reused) - 1, np.cumsum(~reused) - 1)
    return pa.concat_tables([new, old.cast(new.schema)]).take(pa.array(order))


def _part(records: Sequence[Record], pictures: pa.Table, overlays: Overlays) -> pa.Table:
    """`PART` of what the source says now and what the pictures say."""
    contents = pictures["content_id"].to_pylist()
    examples = [example_id(content, record.key) for content, record in zip(contents, records, strict=True)]
    labels = [record.label for record in records]
    if overlays.labels:
        labels = [overlays.label(example, record.key, record.label) for example, record in zip(examples, records, strict=True)]
    relabelled = [label != record.label for label, record in zip(labels, records, strict=True)]
    said: dict[str, list[Any]] = {
        "example_id": examples,
        "label": labels,
        "label_distribution": [[] if changed else record.label_distribution for changed, record in zip(relabelled, records, strict=True)],
        "published_split": [record.published_split for record in records],
        "source": [record.source for record in records],
        "source_uri": [record.key for record in records],
        "fingerprint": [record.fingerprint for record in records],
        "published": [
            CLASS_LEFT_OUT if record.left_out and not changed else record.published_split
            for changed, record in zip(relabelled, records, strict=True)
        ],
        "reused": [isinstance(record.content, Unchanged) for record in records],
        "relabelled": relabelled,
    }
    columns = [pa.array(said[field.name], field.type) if field.name in said else pictures[field.name] for field in PART]
    return pa.Table.from_arrays(columns, schema=PART)
