"""The pictures of a night.

Those of the earlier snapshot by their place in it, then those that were read tonight.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingestion.snapshot.near_duplicates import grid
from components.ingestion.snapshot.schemas import DECODED
from components.shared.images.decode import decode

GRIDS_KEPT = 20_000
_GROUPS_KEPT = 2

Numbers = npt.NDArray[np.int64]


class Collection:
    """Pictures by number. Opened once per thread.

    Args:
        shards: image files of the earlier snapshot.
        parts: rows of `components.ingestion.snapshot.schemas.PICTURES`, in the order of the source.
    """

    def __init__(self, shards: Sequence[Path], parts: Sequence[pa.Table]) -> None:
        files = [pq.ParquetFile(shard, memory_map=True) for shard in shards]
        self._groups = [(file, group) for file in files for group in range(file.num_row_groups)]
        self._parts = list(parts)
        self._decoded = [part.select(DECODED.names) for part in parts]
        counts = [file.metadata.row_group(group).num_rows for file, group in self._groups] + [
            len(part) for part in self._parts
        ]
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._first = self._ends - counts
        self._read = lru_cache(maxsize=_GROUPS_KEPT)(self._read_group)
        self.grid = lru_cache(maxsize=GRIDS_KEPT)(self._grid)

    def take(self, numbers: Numbers) -> pa.Table:
        """Return `DECODED` of pictures, in this order.

        Cheap where many follow one another as they stand.
        """
        piece = np.searchsorted(self._ends, numbers, side="right")
        breaks = np.flatnonzero((np.diff(piece) != 0) | (np.diff(numbers) != 1)) + 1
        slices = [
            self._piece(int(piece[start])).slice(
                int(numbers[start] - self._first[piece[start]]), end - start
            )
            for start, end in itertools.pairwise([0, *breaks.tolist(), len(numbers)])
        ]
        return pa.concat_tables(slices)

    def images(self, numbers: Numbers) -> list[bytes]:
        """Return the encoded pictures with these numbers, in this order."""
        found: list[bytes] = self.take(numbers)["image"].to_pylist()
        return found

    def look_at(self, numbers: Numbers) -> None:
        """Have at hand the grids of those of some pictures, at most `GRIDS_KEPT`, in earlier files, reading each row group once."""
        earlier = self._ends[len(self._groups) - 1] if self._groups else 0
        for number in np.sort(numbers[numbers < earlier]).tolist():
            self.grid(number)

    def _piece(self, number: int) -> pa.Table:
        if number < len(self._groups):
            return self._read(number)
        return self._decoded[number - len(self._groups)]

    def _read_group(self, number: int) -> pa.Table:
        file, group = self._groups[number]
        return file.read_row_group(group, columns=DECODED.names, use_threads=False)

    def _grid(self, number: int) -> npt.NDArray[np.uint8]:
        """Of the picture, as `components.ingestion.snapshot.near_duplicates.grid` gives it.

        That of an earlier one is decoded for it.
        """
        piece = int(np.searchsorted(self._ends, number, side="right"))
        place = int(number - self._first[piece])
        if piece < len(self._groups):
            return grid(decode(self._read(piece)["image"][place].as_py()).pixels)
        return np.frombuffer(
            self._parts[piece - len(self._groups)]["grid"][place].as_py(), np.uint8
        )
