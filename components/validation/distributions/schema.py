"""The schema that columns are held against.

A preset's curated one, or what contract and labels say alone.

schemas/<preset>.pbtxt   curated: types, presence and domains, as TFDV's own tools read them. `emotion schema update`
                         proposes it from an accepted snapshot's statistics; a person looks at the
                         difference.

Bounds of drift and skew aren't in it: they stand in the preset, and are put beside the columns when
the schema is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.shared.artifacts.contract import FEATURE_COLUMNS
from components.shared.errors import ContractError
from components.shared.preset import Preset, ValidationPolicy
from components.validation.distributions.statistics import (
    COLUMN_KINDS,
    Schema,
    Statistics,
    column_statistics,
)
from components.validation.rows.tables import USED_SPLITS

SCHEMAS = Path(__file__).parent / "schemas"
KINDS = {"string": schema_pb2.BYTES, "int32": schema_pb2.INT, "float": schema_pb2.FLOAT}
# What a measure of 8-bit gray levels can be at all; no more is said of it, since its distribution
# is drift's and skew's.
LIMITS: dict[str, tuple[float, float | None]] = {
    "brightness": (0, 255),
    "contrast": (0, 127.5),
    "sharpness": (0, None),
    "entropy": (0, 8),
}


def schema_of(preset: Preset, folder: Path = SCHEMAS) -> tuple[Schema, bool]:
    """Return the preset's schema with the bounds of drift and skew, and whether it is a curated one.

    Raises:
        ContractError: the curated file can't be read.
    """
    path = folder / f"{preset.name}.pbtxt"
    curated = path.is_file()
    schema = read(path) if curated else minimal(preset)
    _bound(schema, preset.validation)
    return schema, curated


def measuring(schema: Schema, columns: Sequence[str]) -> Schema:
    """Return ``schema`` with the distance of more numeric columns measured, whatever it is."""
    made = schema_pb2.Schema()
    made.CopyFrom(schema)
    for feature in made.feature:
        if feature.name in columns:
            feature.drift_comparator.jensen_shannon_divergence.threshold = 1.0
    return made


def read(path: Path) -> Schema:
    """Return a schema from its text form."""
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except text_format.ParseError as error:
        raise ContractError(
            f"the schema {path} can't be read ({error})",
            fix="correct it, or make it again with `emotion schema update`",
        ) from error


def minimal(preset: Preset) -> Schema:
    """Types and presence from the contract, labels and splits from the preset."""
    schema = schema_pb2.Schema()
    schema.string_domain.add(name="label", value=preset.data.labels)
    schema.string_domain.add(name="split", value=[*USED_SPLITS, "left-out"])
    for name, kind in COLUMN_KINDS.items():
        feature = schema.feature.add(name=name, type=KINDS[kind])
        feature.presence.min_count = 1
        # A measure may be missing in a row (a row rule warns of it); everything else is in every
        # row, once.
        if name not in FEATURE_COLUMNS:
            feature.presence.min_fraction = 1.0
            feature.shape.dim.add(size=1)
        if name in ("label", "split"):
            feature.domain = name
    return schema


def proposed(preset: Preset, statistics: Statistics, folder: Path = SCHEMAS) -> Schema:
    """Return the preset's schema, its domains as wide as the rows of ``statistics`` need.

    Those of a curated one never grow narrower, so what a person widened stays wide. Labels and
    splits are the preset's.
    """
    path = folder / f"{preset.name}.pbtxt"
    schema = minimal(preset)
    standing = {feature.name: feature for feature in read(path).feature} if path.is_file() else {}
    for feature in schema.feature:
        if feature.name in standing:
            feature.CopyFrom(standing[feature.name])
        described = column_statistics(statistics, feature.name)
        if described is not None and feature.name not in ("label", "split"):
            _widen(feature, described)
    return schema


def _widen(feature: Any, described: Any) -> None:
    if feature.type == schema_pb2.BYTES:
        seen = {bucket.label for bucket in described.string_stats.rank_histogram.buckets}
        values = sorted(seen | set(feature.string_domain.value))
        feature.string_domain.Clear()
        feature.string_domain.value.extend(values)
    elif feature.type == schema_pb2.INT:
        known = (
            [feature.int_domain.min, feature.int_domain.max]
            if feature.HasField("int_domain")
            else []
        )
        values = [*known, int(described.num_stats.min), int(described.num_stats.max)]
        feature.int_domain.min, feature.int_domain.max = min(values), max(values)
    elif not feature.HasField("float_domain"):
        least, most = LIMITS[feature.name]
        feature.float_domain.min = least
        if most is not None:
            feature.float_domain.max = most


def _bound(schema: Schema, policy: ValidationPolicy) -> None:
    for feature in schema.feature:
        if feature.name == "label":
            feature.drift_comparator.infinity_norm.threshold = policy.max_label_drift
            feature.skew_comparator.infinity_norm.threshold = policy.max_split_skew
        if feature.name in FEATURE_COLUMNS:
            feature.drift_comparator.jensen_shannon_divergence.threshold = policy.max_feature_drift
            feature.skew_comparator.jensen_shannon_divergence.threshold = policy.max_feature_skew
