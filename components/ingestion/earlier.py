"""The last accepted snapshot: rows that needn't be decoded again, and the group that every content belongs to.

Beside a snapshot stands its index, which says of every row under which fingerprint it was read and how its
picture sketches. It is written again whenever the same snapshot is read from changed files.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import layout
from components.contracts.artifacts import MARKERS, Snapshot, read_marker
from components.contracts.errors import EmotionError
from components.runtime.store import Store

INDEX = pa.schema([("fingerprint", pa.string()), ("sketch", pa.binary(64))])
_CODE = b"code"


@dataclass(frozen=True)
class EarlierSnapshot:
    """Where it stands on this machine: a value that can be sent to another process.

    Attributes:
        rows: how many it has. shards: the image files, in order.
        index: file of `INDEX`, or nothing where no row can be reused.
    """

    rows: int
    shards: tuple[Path, ...]
    index: Path | None


def find_earlier(store: Store, source_id: str, snapshot_id: str | None, scratch: Path) -> EarlierSnapshot | None:
    """The accepted snapshot and its index; None where there is none, or none that this code can read."""
    if snapshot_id is None:
        return None
    try:
        folder = store.get_tree(layout.snapshot(source_id, snapshot_id), MARKERS["examples"], scratch)
        marker = read_marker(folder, "examples", Snapshot)
    except EmotionError:
        return None  # a night can be read from the source alone
    content = store.read(layout.snapshot_index(source_id, snapshot_id))
    index = scratch / "earlier.arrow"
    usable = content is not None and pa.ipc.open_stream(content).schema.metadata == {_CODE: reading_code().encode()}
    if usable and content is not None:
        index.write_bytes(content)
    return EarlierSnapshot(marker.read - marker.rejected, tuple(folder / shard for shard in marker.shards), index if usable else None)


def write_index(store: Store, source_id: str, snapshot_id: str, parts: Sequence[pa.Table]) -> None:
    """Write the index of a snapshot from the parts that it was made of."""
    sink = pa.BufferOutputStream()
    schema = INDEX.with_metadata({_CODE: reading_code().encode()})
    with pa.ipc.new_stream(sink, schema) as writer:
        for part in parts:
            writer.write_table(part.select(INDEX.names).cast(schema))
    store.write(layout.snapshot_index(source_id, snapshot_id), sink.getvalue().to_pybytes())


def reading_code() -> str:
    """Digest of what turns bytes into a row: this package, the decoder, and the libraries under them."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in ("pillow", "numpy"):
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for path in sorted([*here.glob("*.py"), *here.glob("sources/*.py"), *(here.parent / "images").glob("*.py")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def groups(earlier: EarlierSnapshot) -> pa.Table:
    """`content_id` and `group_id` of its rows."""
    return pa.concat_tables([pq.read_table(shard, columns=["content_id", "group_id"], use_threads=False) for shard in earlier.shards])


class EarlierRows:
    """Rows of the snapshot by their place in it.

    Attributes:
        places: fingerprint to place. Empty where no row can be reused.
    """

    def __init__(self, earlier: EarlierSnapshot | None, columns: Sequence[str]) -> None:
        self.places: dict[str, int] = {}
        self._columns = list(columns)
        self._sketches = pa.chunked_array([], INDEX.field("sketch").type)
        self._groups: list[tuple[pq.ParquetFile, int]] = []
        if earlier is None or earlier.index is None:
            return
        with pa.memory_map(str(earlier.index)) as source:
            index = pa.ipc.open_stream(source).read_all()
        self.places = {name: place for place, name in enumerate(index["fingerprint"].to_pylist()) if name}
        self._sketches = index["sketch"]
        files = [pq.ParquetFile(shard, memory_map=True) for shard in earlier.shards]
        self._groups = [(file, group) for file in files for group in range(file.num_row_groups)]
        counts = [file.metadata.row_group(group).num_rows for file, group in self._groups]
        self._ends = np.cumsum(counts)
        self._last: tuple[int, pa.Table] | None = None

    def take(self, places: Sequence[int]) -> pa.Table:
        """The rows at these places, in this order: the columns asked for, and `sketch`."""
        wanted = np.asarray(places, np.int64)
        number = np.searchsorted(self._ends, wanted, side="right")
        pieces = []
        for start, end in _runs(number):
            group = int(number[start])
            first = int(self._ends[group]) - self._groups[group][0].metadata.row_group(self._groups[group][1]).num_rows
            pieces.append(self._read(group).take(pa.array(wanted[start:end] - first)))
        return pa.concat_tables(pieces).append_column("sketch", self._sketches.take(pa.array(wanted)))

    def _read(self, group: int) -> pa.Table:
        if self._last is None or self._last[0] != group:
            file, number = self._groups[group]
            self._last = group, file.read_row_group(number, columns=self._columns, use_threads=False)
        return self._last[1]


def _runs(numbers: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Start and end of every stretch of equal numbers."""
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return list(itertools.pairwise(edges))
