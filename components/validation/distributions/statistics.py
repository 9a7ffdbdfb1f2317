"""Statistics, anomalies, drift and skew with TensorFlow Data Validation, in memory.

No Beam pipeline is started.

TFDV computes every distance itself, through the comparators in the schema: Jensen-Shannon
divergence (base 2, so 0 to 1) of a picture measure's histogram, L-infinity distance of the label's
shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.shared.artifacts.contract import EXAMPLE_COLUMNS, FEATURE_COLUMNS
from components.shared.errors import ContractError
from components.shared.findings import ClassSlice
from components.validation.rows.tables import USED_SPLITS

EVERY_ROW = "all"
# What a row is known by differs in every row, and what it says about the source isn't a
# distribution.
WITHOUT_STATISTICS = (
    "image",
    "label_distribution",
    "example_id",
    "content_id",
    "group_id",
    "source",
    "source_uri",
    "perceptual_hash",
    "note",
    "published_split",
)
COLUMN_KINDS = {
    name: kind for name, kind in EXAMPLE_COLUMNS.items() if name not in WITHOUT_STATISTICS
}
COLUMNS = tuple(COLUMN_KINDS)
DISTANCES = (
    anomalies_pb2.AnomalyInfo.COMPARATOR_L_INFTY_HIGH,
    anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
)

Statistics = Any
Schema = Any
Anomalies = Any


@dataclass(frozen=True)
class Comparison:
    """What TFDV found.

    Attributes:
        mismatches: per column, how it departs from the schema, in TFDV's words.
        drift: distance of each training column to the training rows of the snapshot compared with.
        skew: distance of each column between training and test.
        anomalies: the whole of it, as TFDV's message.
    """

    mismatches: dict[str, str]
    drift: dict[str, float]
    skew: dict[str, float]
    anomalies: Anomalies


def describe(examples: pd.DataFrame, labels: tuple[str, ...]) -> Statistics:
    """Return statistics of every row, of each split and of each label's training rows.

    They are the datasets `all`, `train`, `validation`, `test`, and `slice_of` each label.
    """
    options = _options(labels)
    columns = examples[[name for name in COLUMNS if name in examples]]
    splits = examples["split"] if "split" in examples else pd.Series("", index=examples.index)
    named = examples["label"] if "label" in examples else pd.Series("", index=examples.index)
    chosen = {
        EVERY_ROW: pd.Series(True, index=examples.index),
        **{name: splits == name for name in USED_SPLITS},
    }
    chosen |= {slice_of(label): (splits == "train") & (named == label) for label in labels}
    together = statistics_pb2.DatasetFeatureStatisticsList()
    for name, rows in chosen.items():
        (dataset,) = tfdv.generate_statistics_from_dataframe(
            columns[rows].reset_index(drop=True), options, n_jobs=1
        ).datasets
        dataset.name = name
        together.datasets.append(dataset)
    return together


def slice_of(label: str) -> str:
    """Name of the dataset that describes a label's training rows."""
    return f"train/label={label}"


def slices(statistics: Statistics, labels: tuple[str, ...]) -> tuple[ClassSlice, ...]:
    """Rows, means and standard deviations of every label's training rows."""
    found = []
    for label in labels:
        measured = {
            name: column_statistics(statistics, name, slice_of(label)) for name in FEATURE_COLUMNS
        }
        numbers = {
            name: column.num_stats
            for name, column in measured.items()
            if column is not None and column.num_stats.common_stats.num_non_missing
        }
        means = {
            name: round(each.mean, 4) for name, each in numbers.items() if math.isfinite(each.mean)
        }
        deviations = {name: round(numbers[name].std_dev, 4) for name in means}
        found.append(ClassSlice(label, rows_of(statistics, slice_of(label)), means, deviations))
    return tuple(found)


def compare(statistics: Statistics, schema: Schema, earlier: Statistics | None) -> Comparison:
    """Judge statistics against the schema, against an earlier snapshot's, and training against test."""
    every_row = tfdv.validate_statistics(_dataset(statistics, EVERY_ROW), schema)
    previous = _dataset(earlier, "train") if earlier is not None else None
    anomalies = tfdv.validate_statistics(
        _dataset(statistics, "train"),
        schema,
        previous_statistics=previous,
        serving_statistics=_dataset(statistics, "test"),
    )
    for name, info in every_row.anomaly_info.items():
        if name not in anomalies.anomaly_info:
            anomalies.anomaly_info[name].CopyFrom(info)
    return Comparison(
        _mismatches(every_row),
        _measured(anomalies, "drift"),
        _measured(anomalies, "skew"),
        anomalies,
    )


def drift(
    rows: Sequence[dict[str, Any]], earlier: Statistics, schema: Schema, labels: tuple[str, ...]
) -> dict[str, float]:
    """Distance of each column of other rows, named as the examples' are, to the training rows of a snapshot."""
    statistics = tfdv.generate_statistics_from_dataframe(
        pd.DataFrame(rows), _options(labels), n_jobs=1
    )
    return _measured(
        tfdv.validate_statistics(
            statistics, schema, previous_statistics=_dataset(earlier, "train")
        ),
        "drift",
    )


def class_drift(
    statistics: Statistics,
    earlier: Statistics,
    schema: Schema,
    labels: tuple[str, ...],
    enough: int,
) -> dict[str, dict[str, float]]:
    """Per label, the distance of each measure of its training rows to the earlier ones.

    Labels with ``enough`` rows in both.
    """
    found = {}
    known = {
        dataset.name for dataset in earlier.datasets
    }  # a snapshot of an older version has no slices
    for label in labels:
        name = slice_of(label)
        if name in known and min(rows_of(statistics, name), rows_of(earlier, name)) >= enough:
            anomalies = tfdv.validate_statistics(
                _dataset(statistics, name), schema, previous_statistics=_dataset(earlier, name)
            )
            found[label] = {
                column: value
                for column, value in _measured(anomalies, "drift").items()
                if column in FEATURE_COLUMNS
            }
    return found


def column_statistics(statistics: Statistics, column: str, dataset: str = EVERY_ROW) -> Any | None:
    """Return what a dataset says of a column, or None."""
    features = _dataset(statistics, dataset).datasets[0].features
    return next((feature for feature in features if feature.path.step[0] == column), None)


def rows_of(statistics: Statistics, name: str) -> int:
    """How many rows the dataset called ``name`` describes."""
    return int(_dataset(statistics, name).datasets[0].num_examples)


def to_bytes(statistics: Statistics) -> bytes:
    """Return statistics serialized, as the store keeps them and `tfdv.load_stats_binary` reads it."""
    serialized: bytes = statistics.SerializeToString(deterministic=True)
    return serialized


def from_bytes(content: bytes, place: str) -> Statistics:
    """Read what `to_bytes` wrote.

    Raises:
        ContractError: it isn't that, or has no training rows.
    """
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    try:
        statistics.ParseFromString(content)
        _dataset(statistics, "train")
    except (DecodeError, KeyError) as error:
        raise ContractError(
            f"the statistics at {place} can't be read",
            expected="a DatasetFeatureStatisticsList with a dataset train",
            fix="remove the file and run again",
        ) from error
    return statistics


def to_text(message: Any) -> bytes:
    """Return a schema or anomalies in protobuf's text form, for people and for TFDV's own readers."""
    return bytes(text_format.MessageToString(message, as_utf8=True), "utf-8")


def _options(labels: tuple[str, ...]) -> Any:
    return tfdv.StatsOptions(
        num_top_values=len(labels) + 20, num_rank_histogram_buckets=len(labels) + 20
    )


def _dataset(statistics: Statistics, name: str) -> Statistics:
    found = {dataset.name: dataset for dataset in statistics.datasets}
    alone = statistics_pb2.DatasetFeatureStatisticsList()
    alone.datasets.append(found[name])
    return alone


def _mismatches(anomalies: Anomalies) -> dict[str, str]:
    words = {}
    for name, info in anomalies.anomaly_info.items():
        reasons = [reason.description for reason in info.reason if reason.type not in DISTANCES]
        if reasons:
            words[name] = " ".join(" ".join(reasons).split())[:200].rstrip(".")
    return dict(sorted(words.items()))


def _measured(anomalies: Anomalies, which: str) -> dict[str, float]:
    """Distance per column, in the order of the contract; one that can't be measured isn't there."""
    found = {}
    for info in anomalies.drift_skew_info:
        for measurement in getattr(info, f"{which}_measurements"):
            if math.isfinite(measurement.value):
                found[info.path.step[0]] = float(measurement.value)
    return {name: round(found[name], 6) for name in COLUMNS if name in found}
