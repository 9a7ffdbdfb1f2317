"""What pictures say: contents read, decoded and measured, those of one size together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.ingestion.decode.quality import content_id, example_id, quality_stack
from components.ingestion.snapshot.near_duplicates import grids, sketches
from components.ingestion.snapshot.schemas import PICTURES, REFUSED
from components.ingestion.sources.layouts.layout import Content, GrayPixels, Refusal
from components.shared.images.decode import ImageRefused, Pixels, decode, encode_png
from components.shared.images.stacks import gray_stack

# So many pixels are held and measured together.
STACK_PIXELS = 4_000_000


@dataclass(frozen=True)
class Picture:
    """A picture of a row, decoded; ``content`` are its bytes as the artifact keeps them."""

    row: int
    key: str
    content: bytes
    format: str
    pixels: Pixels


def read_pictures(contents: Iterable[Content], rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Decode and measure what stands in some rows of a source.

    A bad one is refused with its reason and never ends the run.

    Args:
        contents: of each row. rows: their ``row`` and ``key``.

    Returns:
        Rows of `PICTURES`, and of `REFUSED`.
    """
    refused: list[dict[str, object]] = []
    tables = [PICTURES.empty_table()]
    waiting: dict[tuple[int, ...], list[Picture]] = {}
    held = 0
    for row, key, content in zip(
        rows["row"].to_pylist(), rows["key"].to_pylist(), contents, strict=True
    ):
        found = picture(row, key, content)
        if isinstance(found, Refusal):
            refused.append({"row": row, "reason": found.reason, "detail": found.detail[:500]})
            continue
        waiting.setdefault(found.pixels.shape, []).append(found)
        held += found.pixels.size
        if held >= STACK_PIXELS:
            tables += map(measured, waiting.values())
            waiting, held = {}, 0
    tables += map(measured, waiting.values())
    return pa.concat_tables(tables).sort_by("row"), pa.Table.from_pylist(refused, schema=REFUSED)


def picture(row: int, key: str, content: Content) -> Picture | Refusal:
    """Decode what a row holds."""
    if isinstance(content, Refusal):
        return content
    if isinstance(content, GrayPixels):
        content = encode_png(
            np.frombuffer(content.levels, np.uint8).reshape(content.side, content.side)
        )
    try:
        found = decode(content)
    except ImageRefused as error:
        return Refusal(error.reason, error.detail)
    return Picture(row, key, content, found.format, found.pixels)


def measured(pictures: Sequence[Picture]) -> pa.Table:
    """Rows of `PICTURES` of pictures that have one size."""
    levels = gray_stack(np.stack([one.pixels for one in pictures]))
    measures, hashes = quality_stack(levels)
    grid = grids(levels)
    contents = [content_id(one.pixels) for one in pictures]
    n = len(pictures)
    columns = {
        "row": [one.row for one in pictures],
        "example_id": [
            example_id(content, one.key) for content, one in zip(contents, pictures, strict=True)
        ],
        "content_id": contents,
        "image": [one.content for one in pictures],
        "width": np.full(n, levels.shape[2], np.int32),
        "height": np.full(n, levels.shape[1], np.int32),
        "channels": np.full(n, 1 if pictures[0].pixels.ndim == 2 else 3, np.int32),
        "format": [one.format for one in pictures],
        **{name: values.astype(np.float32) for name, values in measures._asdict().items()},
        "perceptual_hash": hashes,
        "sketch": _packed(sketches(grid), PICTURES.field("sketch").type),
        "grid": _packed(grid, PICTURES.field("grid").type),
    }
    return pa.table(columns, schema=PICTURES)


def _packed(values: Pixels, kind: pa.DataType) -> pa.Array:
    """Each row of bytes as one value."""
    return pa.FixedSizeBinaryArray.from_buffers(
        kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values).tobytes())]
    )
