"""Read the examples artifact: which rows are used, then their images, shard by shard, decoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from components.contracts.artifacts import SAMPLING_COLUMNS, Snapshot
from components.contracts.errors import ContractError, InputError
from components.contracts.preset import ImageSpec
from components.images.decode import ImageRefused, Pixels, read_input
from components.training.sampling import Plan

READ_AT_ONCE = 512
SHOWN_EVERY = 2500


@dataclass(frozen=True)
class Row:
    """One row of the examples, without its image."""

    example_id: str
    label: str
    split: str


@dataclass(frozen=True)
class Images:
    """Decoded rows. pixels: uint8 ``[n, height, width, channels]``; labels: int32 ``[n]``, index into the label order."""

    example_ids: tuple[str, ...]
    pixels: Pixels
    labels: npt.NDArray[np.int32]


def read_rows(folder: Path, snapshot: Snapshot) -> list[Row]:
    """Id, label and split of every row; no image is read."""
    rows: list[Row] = []
    for shard in snapshot.shards:
        table = _open(folder / shard).read(columns=["example_id", "label", "split"])
        rows += [Row(**row) for row in table.to_pylist()]
    return rows


def read_plan(folder: Path) -> Plan:
    """The sampling plan. Raises ContractError as `Plan` does."""
    table = _open(folder / "plan.parquet").read(columns=list(SAMPLING_COLUMNS))
    repeats, weights = table["repeats"].to_numpy().astype(np.int64), table["weight"].to_numpy().astype(np.float32)
    return Plan(tuple(table["example_id"].to_pylist()), repeats, weights)


def check_rows(rows: list[Row], plan: Plan, labels: tuple[str, ...]) -> None:
    """Refuse what can't be trained on.

    Raises:
        InputError: no training or validation rows, or fewer than two labels in training.
        ContractError: a label outside the preset's, or the plan names a row that isn't a training row.
    """
    unknown = {row.label for row in rows if row.split in ("train", "validation", "test")} - set(labels)
    if unknown:
        raise ContractError(
            "the examples carry labels that the preset doesn't know", expected=", ".join(labels), received=", ".join(sorted(unknown))
        )
    of_training = {row.example_id: row.label for row in rows if row.split == "train"}
    if not of_training:
        raise InputError("there are no training rows", expected="rows with split train", fix="check the splits that ingest reported")
    strangers = [example_id for example_id in plan.example_ids if example_id not in of_training]
    if strangers:
        raise ContractError(
            f"the sampling plan names {len(strangers)} rows that aren't training rows of these examples",
            received=strangers[0],
            fix="run resample again on this snapshot",
        )
    seen = {of_training[example_id] for example_id, repeats in zip(plan.example_ids, plan.repeats, strict=True) if repeats}
    if len(seen) < 2:
        raise InputError("training needs at least two labels", received=f"only {', '.join(seen)}", fix="check the source's class folders")
    if not any(row.split == "validation" for row in rows):
        raise InputError(
            "there are no validation rows, so early stopping and calibration have nothing to go by",
            expected="rows with split validation",
            fix="raise data.validation_share in the preset",
        )


def read_encoded(folder: Path, snapshot: Snapshot, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Id and image, as received, of the wanted ids, in the order of the shards."""
    for shard in snapshot.shards:
        for batch in _open(folder / shard).iter_batches(READ_AT_ONCE, columns=["example_id", "image"]):
            for example_id, content in zip(batch.column("example_id").to_pylist(), batch.column("image"), strict=True):
                if example_id in wanted:
                    yield example_id, content.as_py()


def decode_images(
    encoded: Iterable[tuple[str, bytes]], labels: Mapping[str, int], spec: ImageSpec, on_progress: Callable[[int, int], None]
) -> Images:
    """Decode images into one array, in the order in which they come.

    Args:
        encoded: id and image; each id once. labels: label index of every id that will come.
        on_progress: called with how many are done, of how many.

    Raises:
        ContractError: an image can't be decoded, or fewer came than ``labels`` has.
    """
    pixels = np.empty((len(labels), spec.height, spec.width, spec.channels), np.uint8)
    ids: list[str] = []
    for example_id, content in encoded:
        try:
            pixels[len(ids)] = read_input(content, spec)
        except ImageRefused as error:
            raise ContractError(f"the image of example {example_id} can't be decoded ({error})", fix="run ingest again") from error
        ids.append(example_id)
        if len(ids) % SHOWN_EVERY == 0:
            on_progress(len(ids), len(labels))
    if len(ids) != len(labels):
        raise ContractError(
            "the examples artifact lacks images", expected=f"{len(labels):,}", received=f"{len(ids):,}", fix="run ingest again"
        )
    return Images(tuple(ids), pixels, np.array([labels[example_id] for example_id in ids], np.int32))


def chosen(rows: list[Row], count: int, seed: int) -> list[str]:
    """Ids of the golden images: ``count`` test rows (validation rows where there are none), a seeded choice, sorted.

    The choice follows ids alone, so it stays the same when rows come in another order.
    """
    pool = [row.example_id for row in rows if row.split == "test"] or [row.example_id for row in rows if row.split == "validation"]
    return sorted(sorted(pool, key=lambda example_id: hashlib.sha256(f"{seed}/{example_id}".encode()).digest())[:count])


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise ContractError(
            f"{path.name} can't be read ({error})", expected=f"a Parquet file in {path.parent}", fix="run the step that wrote it again"
        ) from error
