"""The tables of an evaluation artifact: rows, and the predictions of every model for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.evaluation.gate.case import Answers
from components.evaluation.scoring.rows import Rows, label_indices
from components.evaluation.scoring.slices import slices
from components.evaluation.scoring.sums import Table
from components.shared.artifacts.contract import PREDICTION_COLUMNS, SCORED_COLUMNS
from components.shared.errors import ContractError

ROWS = "rows.parquet"


def write_tables(
    folder: Path, rows: Mapping[str, Rows], answers: Mapping[str, Mapping[str, Table]]
) -> None:
    """Write the rows of every split that was answered, and per role the probabilities.

    Args:
        rows: by split. answers: by role, then by split, ``[n, k]``.
    """
    table = pa.concat_tables([each.table for each in rows.values()])
    pq.write_table(table, folder / ROWS)
    for role, by_split in answers.items():
        probabilities = np.concatenate([by_split[split] for split in rows]).astype(np.float32)
        lists = pa.FixedSizeListArray.from_arrays(
            pa.array(probabilities.ravel()), probabilities.shape[1]
        ).cast(pa.list_(pa.float32()))
        columns = {name: table[name] for name in ("example_id", "split", "label")} | {
            "probabilities": lists
        }
        pq.write_table(
            pa.table(columns).select(list(PREDICTION_COLUMNS)),
            folder / f"predictions-{role}.parquet",
        )


def read_answers(
    folder: Path, labels: tuple[str, ...], roles: list[str], columns: tuple[str, ...]
) -> dict[str, Answers]:
    """Rows and probabilities by split, as the gate takes them; a split without rows is absent.

    Args:
        columns: to make slices of.

    Raises:
        ContractError: a table is missing or damaged, or the predictions are of other rows.
    """
    table = _read(folder / ROWS, SCORED_COLUMNS)
    predicted = {
        role: _read(folder / f"predictions-{role}.parquet", PREDICTION_COLUMNS) for role in roles
    }
    for role, found in predicted.items():
        if not found["example_id"].equals(table["example_id"]):
            raise ContractError(
                f"the predictions of the {role} are of other rows than {ROWS} holds",
                fix="run evaluate again",
            )
    answers = {}
    for split in ("validation", "test"):
        chosen = pc.equal(table["split"], split)
        kept = table.filter(chosen)
        if kept.num_rows:
            rows = Rows(kept, label_indices(kept, labels))
            probabilities = {
                role: _matrix(found.filter(chosen), len(labels))
                for role, found in predicted.items()
            }
            answers[split] = Answers(
                rows.labels, rows.groups, slices(rows.columns, columns), probabilities
            )
    return answers


def identity(rows: pa.Table) -> str:
    """SHA-256 (hex) over the sorted contents and labels of rows.

    What a test set is, however it is stored.
    """
    digest = hashlib.sha256()
    for content, label in sorted(
        zip(rows["content_id"].to_pylist(), rows["label"].to_pylist(), strict=True)
    ):
        digest.update(f"{content}\0{label}\n".encode())
    return digest.hexdigest()


def test_contents(folder: Path) -> tuple[str, list[str]]:
    """Identity of the test rows of an evaluation artifact, and their content ids."""
    table = _read(folder / ROWS, SCORED_COLUMNS)
    tested = table.filter(pc.equal(table["split"], "test"))
    return identity(tested), list(tested["content_id"].to_pylist())


def _matrix(table: pa.Table, width: int) -> Table:
    column = table["probabilities"].combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False)
    if len(values) != width * len(column):
        raise ContractError(
            "predictions have another number of labels than the model",
            expected=f"{width} per row",
            fix="run evaluate again",
        )
    return np.asarray(values.reshape(len(column), width))


def _read(path: Path, columns: Mapping[str, str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(columns)).combine_chunks()
    except (OSError, ValueError, KeyError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise ContractError(
            f"{path.name} can't be read ({error})",
            expected="a table that evaluate wrote",
            fix="run evaluate again",
        ) from error
