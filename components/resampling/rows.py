"""Training rows of an examples artifact, and the plan's table.

Projected columns in, pyarrow tables out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.resampling.strategies import Plan
from components.shared.artifacts.contract import SAMPLING_COLUMNS, Snapshot
from components.shared.artifacts.examples import read_columns
from components.shared.errors import ContractError

COLUMNS = ["example_id", "label", "split"]
_TYPES = {"string": pa.string(), "int32": pa.int32(), "float": pa.float32()}
PLAN_SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in SAMPLING_COLUMNS.items()])


def training_rows(folder: Path, snapshot: Snapshot, labels: tuple[str, ...]) -> pa.Table:
    """Columns example_id and label of the training rows, sorted by example_id.

    Raises:
        ContractError: a file can't be read, there are no training rows, an id stands twice or a
            label is unknown.
    """
    table = read_columns(folder, snapshot, COLUMNS)
    table = table.cast(pa.schema([(name, pa.string()) for name in COLUMNS]))
    training = (
        table.filter(pc.equal(table["split"], "train"))
        .select(["example_id", "label"])
        .sort_by("example_id")
    )
    if not training.num_rows:
        raise ContractError(
            "the examples have no training rows",
            expected="rows whose split is train",
            received=f"{table.num_rows} others",
        )
    if pc.count_distinct(training["example_id"]).as_py() != training.num_rows:
        raise ContractError(
            "an example id stands twice among the training rows",
            fix="run ingest and validate again",
        )
    unknown = sorted(
        {str(label) for label in pc.unique(training["label"]).to_pylist()} - set(labels)
    )
    if unknown:
        raise ContractError(
            "training rows carry labels that the preset doesn't know",
            expected=", ".join(labels),
            received=", ".join(unknown),
        )
    return training


def plan_table(training: pa.Table, plan: Plan) -> pa.Table:
    """Return the rows of plan.parquet, in the order of ``training``."""
    labels = training["label"].to_pylist()
    weights = np.array([plan.class_weights[label] for label in labels], np.float32)
    columns = [training["example_id"], training["label"], pa.array(plan.repeats), pa.array(weights)]
    return pa.table(columns, names=PLAN_SCHEMA.names).cast(PLAN_SCHEMA)


def per_label(training: pa.Table, counts: np.ndarray, labels: tuple[str, ...]) -> dict[str, int]:
    """Sum of ``counts`` (int ``[rows]``) per label, in the order of ``labels``."""
    names = np.array(training["label"].to_pylist())
    return {label: int(counts[names == label].sum()) for label in labels}
