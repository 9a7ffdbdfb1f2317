"""The tables that rules are judged on, from an examples artifact's columns without the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.artifacts import EXAMPLE_COLUMNS, FEATURE_COLUMNS, Snapshot
from components.contracts.errors import ContractError
from components.contracts.preset import Preset

NEVER_READ = "image"
USED_SPLITS = ("train", "validation", "test")
ABSENT = "(missing)"


@dataclass(frozen=True)
class Tables:
    """What rules see.

    Attributes:
        examples: one row per example, every column of the contract but the image; an absent column is all null,
            an absent word reads `ABSENT`.
        columns: `column`, one row per column that every file has, as ``name: type``.
        snapshot: one row of the marker: `labels` (joined by spaces), `read`, `rejected`, `reject_rate`.
        classes: per label of the preset (`label`): `train`, `validation`, `test` rows, and `share` of training rows.
        test_groups: per `group_id`, on how many sides of the gate it stands (`partners`): test, training and validation.
        held_out_groups: per `group_id`, in how many of training and validation it stands (`partners`).
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


def read(folder: Path, snapshot: Snapshot) -> tuple[pd.DataFrame, list[str]]:
    """The artifact's rows without images, with the columns that are there, and ``name: type`` of every column.

    Raises:
        ContractError: a file that the marker names is missing, torn or not parquet.
    """
    parts, described = [], []
    for shard in snapshot.shards:
        try:
            schema = pq.read_schema(folder / shard)
            wanted = [name for name in schema.names if name in EXAMPLE_COLUMNS and name != NEVER_READ]
            parts.append(pq.read_table(folder / shard, columns=wanted).to_pandas())
        except (OSError, pa.ArrowException) as error:
            raise ContractError(
                f"the examples file {shard} can't be read ({error})",
                expected="the parquet files that the marker names",
                fix="run ingest again",
            ) from error
        described.append({f"{field.name}: {field.type}" for field in schema})
    shared = set.intersection(*described) if described else set()
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), sorted(shared)


def derive(examples: pd.DataFrame, described: list[str], snapshot: Snapshot, preset: Preset) -> Tables:
    """Count, group and compare: every table that rules see, from rows and marker. No rows give empty tables, not errors."""
    complete = examples.reindex(columns=[name for name in EXAMPLE_COLUMNS if name != NEVER_READ])
    words = ["example_id", "content_id", "group_id", "label", "split"]
    complete[words] = complete[words].astype(object).where(complete[words].notna(), ABSENT)
    used = complete[complete["split"].isin(USED_SPLITS)]
    held_out = used[used["split"] != "test"]
    return Tables(
        examples=complete,
        columns=pd.DataFrame({"column": pd.Series(described, dtype=object)}),
        snapshot=_marker(snapshot),
        classes=_classes(used, preset.data.labels),
        test_groups=_partners(used["group_id"], used["split"] == "test"),
        held_out_groups=_partners(held_out["group_id"], held_out["split"] == "validation"),
        contents=_partners(used["content_id"], used["label"]),
        measures=_measures(complete),
    )


def _marker(snapshot: Snapshot) -> pd.DataFrame:
    rate = snapshot.rejected / max(snapshot.read, 1)
    row = {"labels": " ".join(snapshot.labels), "read": snapshot.read, "rejected": snapshot.rejected, "reject_rate": rate}
    return pd.DataFrame([row])


def _classes(used: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    counts = pd.crosstab(used["label"], used["split"]).reindex(index=list(labels), columns=list(USED_SPLITS), fill_value=0)
    classes = pd.DataFrame({"label": list(labels), **{split: counts[split].to_numpy() for split in USED_SPLITS}})
    return classes.assign(share=classes["train"] / max(int(classes["train"].sum()), 1))


def _partners(key: pd.Series, other: pd.Series) -> pd.DataFrame:
    """How many different values of ``other`` each value of ``key`` stands beside."""
    pairs = pd.DataFrame({"key": key, "other": other}).drop_duplicates()
    counts = pairs["key"].value_counts(sort=False)
    return pd.DataFrame({str(key.name): counts.index.to_numpy(), "partners": counts.to_numpy()})


def _measures(examples: pd.DataFrame) -> pd.DataFrame:
    missing = [float(examples[name].isna().mean()) if len(examples) else 0.0 for name in FEATURE_COLUMNS]
    return pd.DataFrame({"measure": list(FEATURE_COLUMNS), "missing": missing})
