"""The one place where all rows meet: groups of near duplicates, and the split of every row.

Reads a few columns of the parts, about 250 bytes a row, and a picture only where two may be near duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.images.decode import decode
from components.ingestion import earlier as memory
from components.ingestion.earlier import EarlierSnapshot
from components.ingestion.neighbours import SKETCH_BYTES, alike, grid, representatives
from components.ingestion.splits import Codes, Rows, SplitRules, decide
from components.ingestion.tables import DECIDED, read_part, write_arrow

COLUMNS = ["content_id", "label", "published", "contrast", "sketch"]
GRIDS_KEPT = 20_000


def settle(folder: Path, parts: Sequence[Sequence[int]], rules: SplitRules, earlier: EarlierSnapshot | None) -> None:
    """Decide of every row, and write one file of decisions per shard.

    Args:
        parts: of each shard, the numbers of its parts.
    """
    numbers = [number for shard in parts for number in shard]
    tables = [read_part(folder, number) for number in numbers]
    rows = pa.concat_tables([table.select(COLUMNS) for table in tables])
    encoded = rows["content_id"].combine_chunks().dictionary_encode()
    content = _codes(encoded)
    _, first = np.unique(content, return_index=True)
    flat = rows["contrast"].to_numpy() < rules.policy.min_contrast
    group_of_content = _groups(encoded.dictionary, rows["sketch"], first, flat[first], _Pictures(tables), earlier)
    groups = group_of_content.dictionary_encode()
    split, note = decide(
        Rows(
            group_ids=groups.dictionary.to_pylist(),
            group=_codes(groups)[content],
            content=content,
            label=_codes(rows["label"].combine_chunks().dictionary_encode()),
            published=rows["published"].to_numpy().astype(object),
            flat=flat,
        ),
        rules,
    )
    decided = pa.table(
        [group_of_content.take(pa.array(content)), pa.array(split, pa.string()), pa.array(note, pa.string())], schema=DECIDED
    )
    start = 0
    sizes = dict(zip(numbers, map(len, tables), strict=True))
    for number, shard in enumerate(parts):
        length = sum(sizes[part] for part in shard)
        write_arrow(decisions(folder, number), decided.slice(start, length))
        start += length


def decisions(folder: Path, shard: int) -> Path:
    """The file of a shard's decisions: rows of `DECIDED`."""
    return folder / f"decided-{shard:05}.arrow"


class _Pictures:
    """Grids of pictures by row; those of reused rows are decoded when asked for."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        self._tables = tables
        self._ends = np.cumsum([len(table) for table in tables])
        self.grid = lru_cache(maxsize=GRIDS_KEPT)(self._grid)

    def _grid(self, row: int) -> npt.NDArray[np.uint8]:
        number = int(np.searchsorted(self._ends, row, side="right"))
        place = row - int(self._ends[number]) + len(self._tables[number])
        levels = self._tables[number]["grid"][place].as_py()
        if levels is None:  # reused
            return grid(decode(self._tables[number]["image"][place].as_py()).pixels)
        return np.frombuffer(levels, np.uint8)


def _groups(
    contents: pa.Array, sketch: pa.ChunkedArray, first: Codes, flat: npt.NDArray[np.bool_], pictures: _Pictures,
    earlier: EarlierSnapshot | None,
) -> pa.Array:  # fmt: skip
    """The group id of each distinct content: remembered, its representative's, or its own."""
    remembered = pa.nulls(len(contents), pa.string())
    if earlier is not None:
        before = memory.groups(earlier)
        remembered = before["group_id"].combine_chunks().take(pc.index_in(contents, value_set=before["content_id"].combine_chunks()))
    fresh = pc.is_null(remembered)
    # What was there before comes first, and within that the smallest content id: no order of reading matters.
    order = pc.sort_indices(pa.table({"fresh": fresh, "content": contents}), sort_keys=[("fresh", "ascending"), ("content", "ascending")])
    order = order.to_numpy()
    order = order[~flat[order]]  # a nearly constant picture is like any other one
    if not len(order):
        return pc.coalesce(remembered, contents)
    rows = first[order]
    found = np.frombuffer(b"".join(sketch.take(pa.array(rows)).to_pylist()), np.uint8).reshape(-1, SKETCH_BYTES)
    leader = representatives(
        found,
        _settled(remembered.take(pa.array(order))),
        lambda one, other: alike(pictures.grid(int(rows[one])), pictures.grid(int(rows[other]))),
    )
    ids = pc.coalesce(remembered, contents)
    standing = np.arange(len(contents))
    standing[order] = order[leader]
    return ids.take(pa.array(standing))


def _settled(remembered: pa.Array) -> Codes:
    """Of each picture in order: the first of its remembered group, or -1."""
    codes = _codes(remembered.dictionary_encode())
    known = codes >= 0
    _, first, code = np.unique(codes, return_index=True, return_inverse=True)
    return np.where(known, first[code], -1)


def _codes(encoded: pa.DictionaryArray) -> Codes:
    """Codes of a dictionary array; -1 for null."""
    return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
