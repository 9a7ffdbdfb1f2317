"""Rows of an examples artifact with their pictures, a row group at a time.

A sample of a million costs the memory of the sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.shared.artifacts.contract import Snapshot
from components.shared.artifacts.examples import open_parquet, read_shards

Rows = npt.NDArray[np.int64]


def usable(folder: Path, snapshot: Snapshot, splits: Sequence[str], labels: Sequence[str]) -> Rows:
    """Numbers, in the artifact's order, of the rows that stand in one of ``splits`` under one of ``labels``."""
    found, first = [], 0
    for table in read_shards(folder, snapshot, ("label", "split")):
        fits = pc.and_(
            pc.is_in(table["label"], pa.array(labels, pa.string())),
            pc.is_in(table["split"], pa.array(splits, pa.string())),
        )
        found.append(first + np.flatnonzero(fits.to_numpy()))
        first += len(table)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def sample(rows: Rows, at_most: int, seed: str) -> Rows:
    """``rows``, or as many of them as ``at_most`` drawn without replacement.

    ``seed`` (hex digits) decides which. In order.
    """
    if len(rows) <= at_most:
        return rows
    return np.sort(np.random.default_rng(int(seed[:16], 16)).choice(rows, at_most, replace=False))


def read(
    folder: Path, snapshot: Snapshot, rows: Rows, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """``columns`` of ``rows`` (sorted numbers), in their order, a table per row group that has any."""
    first = 0
    for shard in snapshot.shards:
        with open_parquet(folder / shard) as file:
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                mine = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last)]
                if len(mine):
                    yield file.read_row_group(group, columns=list(columns), use_threads=False).take(
                        pa.array(mine - first)
                    )
                first = last
