"""Statistics, schema, drift and skew with TensorFlow Data Validation, in memory: no Beam pipeline is started.

TFDV computes every distance itself, through the comparators in the schema: Jensen-Shannon divergence
(base 2, so 0 to 1) of a picture measure's histogram, L-infinity distance of the label's shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.contracts.artifacts import EXAMPLE_COLUMNS, FEATURE_COLUMNS
from components.contracts.errors import ContractError
from components.contracts.preset import Preset
from components.validation.tables import USED_SPLITS

EVERY_ROW = "all"
# What a row is known by differs in every row, and what it says about the source isn't a distribution.
WITHOUT_STATISTICS = ("image", "example_id", "content_id", "group_id", "source_uri", "perceptual_hash", "note", "published_split")
COLUMNS = tuple(name for name in EXAMPLE_COLUMNS if name not in WITHOUT_STATISTICS)
KINDS = {"string": schema_pb2.BYTES, "int32": schema_pb2.INT, "float": schema_pb2.FLOAT}
DISTANCES = (anomalies_pb2.AnomalyInfo.COMPARATOR_L_INFTY_HIGH, anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH)

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
    """Statistics of every used row (dataset `all`) and of each split (`train`, `validation`, `test`)."""
    options = tfdv.StatsOptions(num_top_values=len(labels) + 20, num_rank_histogram_buckets=len(labels) + 20)
    columns = examples[[name for name in COLUMNS if name in examples]]
    splits = examples["split"] if "split" in examples else pd.Series(dtype=object)
    together = statistics_pb2.DatasetFeatureStatisticsList()
    for name in (EVERY_ROW, *USED_SPLITS):
        rows = columns if name == EVERY_ROW else columns[(splits == name).reindex(columns.index, fill_value=False)]
        (dataset,) = tfdv.generate_statistics_from_dataframe(rows, options, n_jobs=1).datasets
        dataset.name = name
        together.datasets.append(dataset)
    return together


def schema_of(preset: Preset) -> Schema:
    """What columns must look like, and the comparators that measure drift and skew, built from the preset alone."""
    policy = preset.validation
    schema = schema_pb2.Schema()
    schema.string_domain.add(name="label", value=preset.data.labels)
    schema.string_domain.add(name="split", value=[*USED_SPLITS, "left-out"])
    for name in COLUMNS:
        feature = schema.feature.add(name=name, type=KINDS[EXAMPLE_COLUMNS[name]])
        feature.presence.min_count = 1
        # A measure may be missing in a row (a row rule warns of it); everything else is in every row, once.
        if name not in FEATURE_COLUMNS:
            feature.presence.min_fraction = 1.0
            feature.shape.dim.add(size=1)
        if name in ("label", "split"):
            feature.domain = name
        if name == "label":
            feature.drift_comparator.infinity_norm.threshold = policy.max_label_drift
            feature.skew_comparator.infinity_norm.threshold = policy.max_split_skew
        if name in FEATURE_COLUMNS:
            feature.drift_comparator.jensen_shannon_divergence.threshold = policy.max_feature_drift
            feature.skew_comparator.jensen_shannon_divergence.threshold = policy.max_feature_drift
    return schema


def compare(statistics: Statistics, schema: Schema, earlier: Statistics | None) -> Comparison:
    """Judge statistics against the schema, against an earlier snapshot's, and training against test."""
    every_row = tfdv.validate_statistics(_dataset(statistics, EVERY_ROW), schema)
    previous = _dataset(earlier, "train") if earlier is not None else None
    anomalies = tfdv.validate_statistics(
        _dataset(statistics, "train"), schema, previous_statistics=previous, serving_statistics=_dataset(statistics, "test")
    )
    for name, info in every_row.anomaly_info.items():
        if name not in anomalies.anomaly_info:
            anomalies.anomaly_info[name].CopyFrom(info)
    return Comparison(_mismatches(every_row), _measured(anomalies, "drift"), _measured(anomalies, "skew"), anomalies)


def rows_of(statistics: Statistics, name: str) -> int:
    """How many rows the dataset called ``name`` describes."""
    return int(_dataset(statistics, name).datasets[0].num_examples)


def to_bytes(statistics: Statistics) -> bytes:
    """Serialized, as the store keeps it and `tfdv.load_stats_binary` reads it."""
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
    """A schema or anomalies in protobuf's text form, for people and for TFDV's own readers."""
    return bytes(text_format.MessageToString(message, as_utf8=True), "utf-8")


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
