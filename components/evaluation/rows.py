"""The test rows of an examples artifact: who they are, and their images in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.contracts.artifacts import Snapshot
from components.contracts.errors import ContractError


@dataclass(frozen=True)
class Rows:
    """The test rows, in the order in which `image_batches` yields their images.

    Attributes:
        labels: int64 ``[n]``, index into the snapshot's labels.
        has_twin: bool ``[n]``, whether the same content also stands in published training.
    """

    example_ids: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    has_twin: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.example_ids)


def read_rows(folder: Path, snapshot: Snapshot) -> Rows:
    """Read which rows are tested; no image is touched.

    Raises:
        ContractError: there is no test row, or one has a label that the snapshot doesn't name.
    """
    columns = ["example_id", "content_id", "label", "split", "published_split"]
    table = pa.concat_tables([pq.read_table(folder / shard, columns=columns) for shard in snapshot.shards])
    trained = table.filter(pc.equal(table["published_split"], "train"))["content_id"]
    tested = table.filter(pc.equal(table["split"], "test"))
    if tested.num_rows == 0:
        raise ContractError(
            "the examples have no test row to score", expected="rows with split test", fix="check the source's splits or data.test_share"
        )
    indices = pc.index_in(tested["label"], value_set=pa.array(snapshot.labels))
    if indices.null_count:
        unknown = pc.unique(tested.filter(pc.is_null(indices))["label"]).to_pylist()
        raise ContractError("test rows carry unknown labels", expected=", ".join(snapshot.labels), received=", ".join(map(str, unknown)))
    twins = pc.is_in(tested["content_id"], value_set=trained.combine_chunks())
    return Rows(
        tuple(tested["example_id"].to_pylist()),
        indices.to_numpy().astype(np.int64),
        twins.to_numpy().astype(np.bool_),
    )


def image_batches(folder: Path, snapshot: Snapshot, batch_size: int) -> Iterator[list[bytes]]:
    """Encoded images of the test rows, at most ``batch_size`` at a time, in the order of `read_rows`."""
    waiting: list[bytes] = []
    for shard in snapshot.shards:
        for batch in pq.ParquetFile(folder / shard).iter_batches(batch_size=1024, columns=["image", "split"]):
            waiting.extend(batch.filter(pc.equal(batch["split"], "test"))["image"].to_pylist())
            while len(waiting) >= batch_size:
                yield waiting[:batch_size]
                waiting = waiting[batch_size:]
    if waiting:
        yield waiting


def images_of(folder: Path, snapshot: Snapshot, example_ids: Collection[str]) -> dict[str, bytes]:
    """Encoded images of a few rows, by example id."""
    wanted = pa.array(sorted(example_ids), pa.string())
    found: dict[str, bytes] = {}
    for shard in snapshot.shards:
        for batch in pq.ParquetFile(folder / shard).iter_batches(batch_size=1024, columns=["example_id", "image"]):
            chosen = batch.filter(pc.is_in(batch["example_id"], value_set=wanted))
            found.update(zip(chosen["example_id"].to_pylist(), chosen["image"].to_pylist(), strict=True))
    return found
