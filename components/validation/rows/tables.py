"""The tables that rules are judged on, from an examples artifact's columns without the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.shared.artifacts.contract import FEATURE_COLUMNS, Snapshot
from components.shared.artifacts.examples import open_parquet, read_shards
from components.shared.preset import Preset

USED_SPLITS = ("train", "validation", "test")
ABSENT = "(missing)"
WORDS = ("example_id", "content_id", "group_id", "label", "split")
# What row rules look at; every other column is known by its name and type alone, so that a million
# rows fit.
COLUMNS = (*WORDS, "width", "height", *FEATURE_COLUMNS)
# A soft label adds up to 1 within this, in float32.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Tables:
    """What rules see.

    Attributes:
        examples: one row per example with `COLUMNS` but the ids that the other tables count, and
            `soft_label_faults` (0: none or a distribution over the labels); an absent column is all
            null, an absent word reads `ABSENT`.
        columns: `column`, one row per column that every file has, as ``name: type``.
        snapshot: one row of the marker: `labels` (joined by spaces), `read`, `rejected`,
            `reject_rate`.
        classes: per label of the preset (`label`): `train`, `validation`, `test` rows, and `share`
            of training rows.
        test_groups: per `group_id`, on how many sides of the gate it stands (`partners`): test,
            training and validation.
        held_out_groups: per `group_id`, in how many of training and validation it stands
            (`partners`).
        contents: per `content_id`, how many labels it carries (`partners`).
        measures: per picture measure (`measure`): the share of rows where it is `missing`.
    """

    examples: pd.DataFrame
    columns: pd.DataFrame
    snapshot: pd.DataFrame
    classes: pd.DataFrame
    test_groups: pd.DataFrame
    held_out_groups: pd.DataFrame
    contents: pd.DataFrame
    measures: pd.DataFrame


def describe_columns(folder: Path, snapshot: Snapshot) -> list[str]:
    """``name: type`` of every column that all files have, sorted.

    Raises ContractError as `read` does.
    """
    described = [
        {
            f"{field.name}: {_kind(field.type)}"
            for field in open_parquet(folder / shard).schema_arrow
        }
        for shard in snapshot.shards
    ]
    return sorted(set.intersection(*described)) if described else []


def read(folder: Path, snapshot: Snapshot, columns: Sequence[str]) -> pd.DataFrame:
    """Those of ``columns`` that stand in the artifact, of all rows.

    Raises:
        ContractError: a file that the marker names is missing, torn or not parquet.
    """
    parts = [part.to_pandas() for part in read_shards(folder, snapshot, columns, partial=True)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def read_soft_label_faults(folder: Path, snapshot: Snapshot) -> pd.Series:
    """Per row 1 where `label_distribution` is neither empty nor a distribution over the snapshot's labels, else 0."""
    faults = [
        _soft_label_faults(part, len(snapshot.labels))
        for part in read_shards(folder, snapshot, ["label_distribution"], partial=True)
    ]
    return pd.concat(faults, ignore_index=True) if faults else pd.Series(dtype=float)


def read_reject_reasons(folder: Path) -> dict[str, int]:
    """Rejected images by reason. Raises ContractError as `read` does."""
    with open_parquet(folder / "rejected.parquet") as file:
        counted = file.read(["reason"])["reason"].value_counts()
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def _kind(column: pa.DataType) -> str:
    """Return the contract's name of a type.

    Arrow names a list's items, and names them differently from version to version.
    """
    return f"list<{column.value_type}>" if pa.types.is_list(column) else str(column)


def _soft_label_faults(part: pa.Table, labels: int) -> pd.Series:
    if not part.num_columns or not pa.types.is_list(part.column(0).type):
        return pd.Series([float("nan")] * len(part))  # the rule on columns tells of it
    column = part.column(0)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_pandas()
    shares = (
        pc.list_flatten(column)
        .to_pandas()
        .groupby(np.repeat(np.arange(len(lengths)), lengths))
        .agg(["sum", "min"])
    )
    shares = shares.reindex(lengths.index)
    sound = (
        (lengths == labels) & ((shares["sum"] - 1).abs() <= SUM_TOLERANCE) & (shares["min"] >= 0)
    )
    return ((lengths > 0) & ~sound).astype(float)


def derive(
    examples: pd.DataFrame, described: list[str], snapshot: Snapshot, preset: Preset
) -> Tables:
    """Count, group and compare: every table that rules see, from rows and marker.

    No rows give empty tables, not errors.
    """
    complete = examples.reindex(columns=[*COLUMNS, "soft_label_faults"])
    for name in WORDS:
        complete[name] = complete[name].astype(object).where(complete[name].notna(), ABSENT)
    used = complete["split"].isin(USED_SPLITS)
    held_out = used & (complete["split"] != "test")
    return Tables(
        examples=complete.drop(columns=["content_id", "group_id"]),
        columns=pd.DataFrame({"column": pd.Series(described, dtype=object)}),
        snapshot=_marker(snapshot),
        classes=_classes(complete.loc[used, ["label", "split"]], preset.data.labels),
        test_groups=_partners(
            complete.loc[used, "group_id"], complete.loc[used, "split"] == "test"
        ),
        held_out_groups=_partners(
            complete.loc[held_out, "group_id"], complete.loc[held_out, "split"] == "validation"
        ),
        contents=_partners(complete.loc[used, "content_id"], complete.loc[used, "label"]),
        measures=_measures(complete),
    )


def _marker(snapshot: Snapshot) -> pd.DataFrame:
    rate = snapshot.rejected / max(snapshot.read, 1)
    row = {
        "labels": " ".join(snapshot.labels),
        "read": snapshot.read,
        "rejected": snapshot.rejected,
        "reject_rate": rate,
    }
    return pd.DataFrame([row])


def _classes(used: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    counts = pd.crosstab(used["label"], used["split"]).reindex(
        index=list(labels), columns=list(USED_SPLITS), fill_value=0
    )
    classes = pd.DataFrame(
        {"label": list(labels), **{split: counts[split].to_numpy() for split in USED_SPLITS}}
    )
    return classes.assign(share=classes["train"] / max(int(classes["train"].sum()), 1))


def _partners(key: pd.Series, other: pd.Series) -> pd.DataFrame:
    """How many different values of ``other`` each value of ``key`` stands beside."""
    pairs = pd.DataFrame({"key": key, "other": other}).drop_duplicates()
    counts = pairs["key"].value_counts(sort=False)
    return pd.DataFrame({str(key.name): counts.index.to_numpy(), "partners": counts.to_numpy()})


def _measures(examples: pd.DataFrame) -> pd.DataFrame:
    missing = [
        float(examples[name].isna().mean()) if len(examples) else 0.0 for name in FEATURE_COLUMNS
    ]
    return pd.DataFrame({"measure": list(FEATURE_COLUMNS), "missing": missing})
