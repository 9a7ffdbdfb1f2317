"""The last accepted snapshot.

Rows that needn't be decoded again, and the group that every content belongs to.

Beside a snapshot stands its index, which says of every row under which fingerprint it was read, how
its picture sketches and what was drawn for its group. It is written again whenever the same
snapshot is read from changed files.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingestion.snapshot.near_duplicates import SKETCH_BYTES
from components.ingestion.snapshot.schemas import side_by_side
from components.ingestion.sources.layouts.columns import whole
from components.shared.artifacts.contract import MARKERS, Snapshot, read_marker
from components.shared.errors import EmotionError
from components.shared.source_digest import source_digest
from components.shared.store import keys
from components.shared.store.interface import Store

# What was drawn for the row's group (`components.ingestion.snapshot.splits.draws`); null where
# nothing was.
DRAWN = pa.schema([("validation", pa.float64()), ("test", pa.float64())])
INDEX = pa.schema([("fingerprint", pa.string()), ("sketch", pa.binary(SKETCH_BYTES)), *DRAWN])
COLUMNS = ["example_id", "content_id", "group_id", "source_uri", "contrast"]
_CODE = b"code"


@dataclass(frozen=True)
class EarlierSnapshot:
    """What is known of it.

    Attributes:
        shards: the image files, in order.
        index: rows of `INDEX`, in order; None where nothing can be reused.
    """

    shards: tuple[Path, ...]
    index: pa.Table | None

    @property
    def reusable(self) -> bool:
        """Whether its rows needn't be decoded again."""
        return self.index is not None

    @cached_property
    def rows(self) -> pa.Table:
        """`COLUMNS` of every row, in order, the groups as codes.

        `INDEX` too where rows can be reused. Read when first asked for.
        """
        rows = pa.concat_tables(
            [
                pq.read_table(shard, columns=COLUMNS, memory_map=True, use_threads=False)
                for shard in self.shards
            ]
        )
        rows = rows.set_column(
            COLUMNS.index("group_id"), "group_id", rows["group_id"].dictionary_encode()
        )
        return rows if self.index is None else side_by_side(rows, self.index)

    def places(self, fingerprints: pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Where the rows with these fingerprints stand in it; -1 for those that it doesn't know."""
        if self.index is None:
            return np.full(len(fingerprints), -1)
        found = pc.index_in(
            fingerprints, value_set=whole(self.index["fingerprint"]), skip_nulls=True
        )
        return pc.fill_null(found, -1).to_numpy().astype(np.int64)


def find_earlier(
    store: Store, source_id: str, snapshot_id: str | None, scratch: Path
) -> EarlierSnapshot | None:
    """Return the accepted snapshot and its index.

    None where there is none, or none that this code can read.
    """
    if snapshot_id is None:
        return None
    try:
        folder = store.get_tree(keys.snapshot(source_id, snapshot_id), MARKERS["examples"], scratch)
        marker = read_marker(folder, "examples", Snapshot)
    except EmotionError:
        return None  # a night can be read from the source alone
    index = _index(
        store.read(keys.snapshot_index(source_id, snapshot_id)), marker.read - marker.rejected
    )
    return EarlierSnapshot(tuple(folder / shard for shard in marker.shards), index)


def _index(content: bytes | None, rows: int) -> pa.Table | None:
    """Return the index of so many rows, if this code wrote it."""
    stream = pa.ipc.open_stream(content) if content is not None else None
    if stream is None or stream.schema.metadata != {_CODE: reading_code().encode()}:
        return None
    index = stream.read_all()
    return index if len(index) == rows else None


def write_index(
    store: Store, source_id: str, snapshot_id: str, rows: pa.Table, drawn: pa.Table
) -> None:
    """Write the index of a snapshot: of its rows in order fingerprint and sketch, and `DRAWN`."""
    sink = io.BytesIO()  # whose value is its own memory; that of Arrow's streams is copied
    schema = INDEX.with_metadata({_CODE: reading_code().encode()})
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(
            pa.table([rows["fingerprint"], rows["sketch"], *drawn.columns], schema=schema)
        )
    store.write(keys.snapshot_index(source_id, snapshot_id), sink.getvalue())


def reading_code() -> str:
    """Digest of what turns bytes into a row.

    This package, the decoder, and the libraries under them. Comments don't count.
    """
    here = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in ("pillow", "numpy"):
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for path in sorted([*here.rglob("*.py"), *(here.parent / "shared" / "images").glob("*.py")]):
        digest.update(path.relative_to(here.parent).as_posix().encode() + source_digest(path))
    return digest.hexdigest()
