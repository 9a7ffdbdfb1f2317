"""The rows of an examples artifact that models are asked about.

Who they are, and their images in batches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.shared.artifacts import examples
from components.shared.artifacts.contract import SCORED_COLUMNS, Snapshot
from components.shared.errors import ContractError

Flags = npt.NDArray[np.bool_]
_TWINS = ("exact_twin", "near_twin")
_READ = [name for name in SCORED_COLUMNS if name not in _TWINS]


@dataclass(frozen=True)
class Rows:
    """Rows of one split, in the order in which `image_batches` yields their images.

    Attributes:
        table: `SCORED_COLUMNS`. labels: int64 ``[n]``, index into the snapshot's labels.
    """

    table: pa.Table
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def example_ids(self) -> list[str]:
        """Example ids, in the order of the rows."""
        return list(self.table["example_id"].to_pylist())

    @property
    def exact_twin(self) -> Flags:
        """Whether the same content also stands in published training, bool ``[n]``."""
        return np.asarray(self.table["exact_twin"].to_numpy(), np.bool_)

    @property
    def near_twin(self) -> Flags:
        """Whether a picture of the same group also stands in published training, bool ``[n]``."""
        return np.asarray(self.table["near_twin"].to_numpy(), np.bool_)

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """int64 ``[n]``: equal for copies of one picture."""
        return np.unique(self.table["group_id"].to_numpy(), return_inverse=True)[1].astype(np.int64)

    @property
    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        """The columns that slices can be made of."""
        return {
            name: self.table[name].to_numpy()
            for name, kind in SCORED_COLUMNS.items()
            if not kind.startswith("list")
        }

    @property
    def votes(self) -> npt.NDArray[np.float64] | None:
        """``[n, k]`` shares of annotators' votes, rows of zeros where a row has none.

        None where no row has any.
        """
        given = self.table["label_distribution"].to_pylist()
        width = max((len(votes or ()) for votes in given), default=0)
        return np.array([votes or [0.0] * width for votes in given]) if width else None


def read_rows(folder: Path, snapshot: Snapshot) -> dict[str, Rows]:
    """Return the validation and the test rows; no image is touched.

    Raises:
        ContractError: there is no test row, or one has a label that the snapshot doesn't name.
    """
    table = examples.read_columns(folder, snapshot, _READ)
    published = table.filter(pc.equal(table["published_split"], "train"))
    trained = {
        "test": published,
        "validation": published.filter(pc.not_equal(published["split"], "validation")),
    }
    found = {
        split: _rows(table.filter(pc.equal(table["split"], split)), trained[split], snapshot)
        for split in ("validation", "test")
    }
    if not len(found["test"]):
        raise ContractError(
            "the examples have no test row to score",
            expected="rows with split test",
            fix="check the source's splits or data.test_share",
        )
    return found


def label_indices(table: pa.Table, labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """int64 ``[n]`` of the column label.

    Raises ContractError for a label that isn't one of these.
    """
    indices = pc.index_in(table["label"], value_set=pa.array(labels))
    if indices.null_count:
        unknown = pc.unique(table.filter(pc.is_null(indices))["label"]).to_pylist()
        raise ContractError(
            "rows carry unknown labels",
            expected=", ".join(labels),
            received=", ".join(map(str, unknown)),
        )
    return np.asarray(indices.to_numpy(), np.int64)


def image_batches(
    folder: Path, snapshot: Snapshot, split: str, batch_size: int
) -> Iterator[list[bytes]]:
    """Yield encoded images of a split's rows, at most ``batch_size`` at a time, in the order of `read_rows`."""
    waiting: list[bytes] = []
    for batch in examples.read_batches(folder, snapshot, ("image", "split")):
        waiting.extend(batch.filter(pc.equal(batch["split"], split))["image"].to_pylist())
        while len(waiting) >= batch_size:
            yield waiting[:batch_size]
            waiting = waiting[batch_size:]
    if waiting:
        yield waiting


def images_of(folder: Path, snapshot: Snapshot, example_ids: Collection[str]) -> dict[str, bytes]:
    """Return encoded images of a few rows, by example id."""
    wanted = pa.array(sorted(example_ids), pa.string())
    images: dict[str, bytes] = {}
    for batch in examples.read_batches(folder, snapshot, ("example_id", "image")):
        rows = batch.filter(pc.is_in(batch["example_id"], value_set=wanted))
        images.update(zip(rows["example_id"].to_pylist(), rows["image"].to_pylist(), strict=True))
    return images


def _rows(table: pa.Table, trained: pa.Table, snapshot: Snapshot) -> Rows:
    for flag, identity in zip(_TWINS, ("content_id", "group_id"), strict=True):
        table = table.append_column(
            flag, pc.is_in(table[identity], value_set=trained[identity].combine_chunks())
        )
    return Rows(
        table.select(list(SCORED_COLUMNS)).combine_chunks(), label_indices(table, snapshot.labels)
    )
