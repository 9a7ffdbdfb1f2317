"""Read the examples artifact.

Which rows are used, then their images as received, shard by shard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.shared.artifacts import examples
from components.shared.artifacts.contract import SAMPLING_COLUMNS, Snapshot
from components.shared.errors import ContractError, InputError
from components.training.data.sampling import Plan


@dataclass(frozen=True)
class Row:
    """One row of the examples, without its image.

    label_distribution as in the column of that name, empty where there is none.
    """

    example_id: str
    label: str
    split: str
    label_distribution: tuple[float, ...] = ()


def read_rows(folder: Path, snapshot: Snapshot) -> list[Row]:
    """Return id, label, split and label distribution of every row; no image is read."""
    columns = ("example_id", "label", "split", "label_distribution")
    table = examples.read_columns(folder, snapshot, columns)
    values = [table[name].to_pylist() for name in columns]
    return [
        Row(example_id, label, split, tuple(votes or ()))
        for example_id, label, split, votes in zip(*values, strict=True)
    ]


def read_plan(folder: Path) -> Plan:
    """Return the sampling plan. Raises ContractError as `Plan` does."""
    table = examples.open_parquet(folder / "plan.parquet", "resample").read(list(SAMPLING_COLUMNS))
    repeats, weights = (
        table["repeats"].to_numpy().astype(np.int64),
        table["weight"].to_numpy().astype(np.float32),
    )
    return Plan(tuple(table["example_id"].to_pylist()), repeats, weights)


def check_rows(rows: list[Row], plan: Plan, labels: tuple[str, ...]) -> None:
    """Refuse what can't be trained on.

    Raises:
        InputError: no training or validation rows, or fewer than two labels in training.
        ContractError: a label outside the preset's, or the plan names a row that isn't a training
            row.
    """
    unknown = {row.label for row in rows if row.split in ("train", "validation", "test")} - set(
        labels
    )
    if unknown:
        raise ContractError(
            "the examples carry labels that the preset doesn't know",
            expected=", ".join(labels),
            received=", ".join(sorted(unknown)),
        )
    of_training = {row.example_id: row.label for row in rows if row.split == "train"}
    if not of_training:
        raise InputError(
            "there are no training rows",
            expected="rows with split train",
            fix="check the splits that ingest reported",
        )
    strangers = [example_id for example_id in plan.example_ids if example_id not in of_training]
    if strangers:
        raise ContractError(
            f"the sampling plan names {len(strangers)} rows that aren't training rows of these"
            " examples",
            received=strangers[0],
            fix="run resample again on this snapshot",
        )
    seen = {
        of_training[example_id]
        for example_id, repeats in zip(plan.example_ids, plan.repeats, strict=True)
        if repeats
    }
    odd = next(
        (
            row
            for row in rows
            if row.label_distribution and len(row.label_distribution) != len(labels)
        ),
        None,
    )
    if odd is not None:
        raise ContractError(
            f"the label distribution of example {odd.example_id} doesn't fit the labels",
            expected=f"{len(labels)} numbers",
            received=str(len(odd.label_distribution)),
            fix="run ingest again",
        )
    if len(seen) < 2:
        raise InputError(
            "training needs at least two labels",
            received=f"only {', '.join(seen)}",
            fix="check the source's class folders",
        )
    if not any(row.split == "validation" for row in rows):
        raise InputError(
            "there are no validation rows, so early stopping and calibration have nothing to go by",
            expected="rows with split validation",
            fix="raise data.validation_share in the preset",
        )


def read_encoded(
    folder: Path, snapshot: Snapshot, example_ids: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield id and image, as received, of some rows, in the order of the artifact."""
    for batch in examples.read_batches(folder, snapshot, ("example_id", "image")):
        ids = batch.column("example_id").to_pylist()
        for example_id, content in zip(ids, batch.column("image"), strict=True):
            if example_id in example_ids:
                yield example_id, content.as_py()


def chosen(rows: list[Row], count: int, seed: int) -> list[str]:
    """Ids of the golden images.

    ``count`` test rows (validation rows where there are none), a seeded choice, sorted.

    The choice follows ids alone, so it stays the same when rows come in another order.
    """
    pool = [row.example_id for row in rows if row.split == "test"] or [
        row.example_id for row in rows if row.split == "validation"
    ]
    return sorted(
        sorted(
            pool, key=lambda example_id: hashlib.sha256(f"{seed}/{example_id}".encode()).digest()
        )[:count]
    )
