"""From measured distances and mismatches to rules, and from all rules to go or stop. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from components.shared.findings import LabelNoise, Rule
from components.shared.preset import Preset, ValidationPolicy
from components.shared.text import percent

# Beyond the bound is worth a look; beyond twice the bound the data isn't what the bound was set
# for.
CRITICAL_FROM = 2.0
# Distances of few rows are mostly chance: drawn from one distribution, two times 100 rows were seen
# to differ by up to 0.10 in Jensen-Shannon divergence (ten buckets) and 0.15 in the shares of seven
# labels, two times 50 by up to 0.19.
ENOUGH_ROWS = 100
NAMED_AT_MOST = 5
# A model whose mean recall is less than this above guessing has found nothing in the pictures.
LEAST_GAIN = 0.05
DISTRIBUTIONS: Literal["tensorflow-data-validation"] = "tensorflow-data-validation"


def schema_rule(mismatches: Mapping[str, str], policy: ValidationPolicy) -> Rule:
    """Columns are as the schema says."""
    value = f"{len(mismatches)} anomalies" if len(mismatches) != 1 else "1 anomaly"
    told = "; ".join(f"{name}: {words}" for name, words in mismatches.items())
    sentence = (
        f"Columns depart from the schema: {told}."
        if mismatches
        else "Types, presence and values of every column fit the schema."
    )
    return Rule(
        "schema",
        DISTRIBUTIONS,
        policy.severity("schema"),
        not mismatches,
        value,
        "no anomaly",
        sentence,
    )


def curated_schema_rule(preset: Preset, curated: bool) -> Rule:
    """Somebody looked at the schema that columns are held against."""
    sentence = (
        f"Columns are held against the curated schema of {preset.name}."
        if curated
        else (
            f"The preset {preset.name} has no curated schema, so columns are held against what the"
            " contract and the labels say alone; make one from an accepted snapshot with `emotion"
            f" schema update --preset {preset.name} --write`."
        )
    )
    severity = preset.validation.severity("curated schema")
    return Rule(
        "curated schema",
        DISTRIBUTIONS,
        severity,
        curated,
        "curated" if curated else "inferred",
        "a curated schema",
        sentence,
    )


def drift_rules(
    drift: Mapping[str, float], policy: ValidationPolicy, rows: int, snapshot_id: str
) -> tuple[Rule, ...]:
    """One rule per column compared with the last accepted snapshot.

    ``rows``: training rows of the smaller of both.
    """
    before = f"the accepted snapshot {snapshot_id[:12]}"
    words = ("is close to that of " + before, "moved away from that of " + before)
    bounds = (policy.max_label_drift, policy.max_feature_drift)
    return tuple(
        _distance_rule(name, "drift", value, bounds, policy, rows, words)
        for name, value in drift.items()
    )


def skew_rules(skew: Mapping[str, float], policy: ValidationPolicy, rows: int) -> tuple[Rule, ...]:
    """One rule per column compared between training and test. ``rows``: of the smaller of both."""
    words = ("is alike in training and test", "differs between training and test")
    bounds = (policy.max_split_skew, policy.max_feature_skew)
    return tuple(
        _distance_rule(name, "skew", value, bounds, policy, rows, words)
        for name, value in skew.items()
    )


def class_drift_rule(
    drift: Mapping[str, Mapping[str, float]], policy: ValidationPolicy, snapshot_id: str
) -> Rule:
    """No measure moved inside a class while the whole stood still.

    ``drift``: per label and column, where both have enough rows.
    """
    bound = policy.max_feature_drift
    far = sorted(
        (
            (value, label, column)
            for label, columns in drift.items()
            for column, value in columns.items()
            if value > bound
        ),
        reverse=True,
    )
    before = f"the accepted snapshot {snapshot_id[:12]}"
    largest = max((value for columns in drift.values() for value in columns.values()), default=0.0)
    told = ", ".join(
        f"{column} of {label} ({value:.3f})" for value, label, column in far[:NAMED_AT_MOST]
    )
    sentence = (
        f"Moved away from {before} within a class:"
        f" {told}{', ...' if len(far) > NAMED_AT_MOST else ''}; bound {bound:g}."
        if far
        else (
            f"Within every class of at least {ENOUGH_ROWS} rows the measures are close to those of"
            f" {before}."
        )
    )
    severity = policy.severity("drift within classes")
    return Rule(
        "drift within classes",
        DISTRIBUTIONS,
        severity,
        not far,
        f"{largest:.3f}",
        f"at most {bound:g}",
        sentence,
    )


def doubtful_labels_rule(noise: LabelNoise | None, policy: ValidationPolicy) -> Rule:
    """Not too many labels look wrong, and labels have to do with the pictures at all."""
    name, most = "doubtful labels", policy.max_doubtful_share
    bound = f"at most {percent(most, most, digits=0)}"
    if noise is None:
        sentence = "Too few rows to fit a model that could doubt a label."
        return Rule(
            name, "label-noise", policy.severity(name), True, "not measured", bound, sentence
        )
    share = sum(noise.doubted.values()) / noise.rows
    judge = (
        f"a small model that gets {noise.accuracy:.0%} of unseen rows right (guessing:"
        f" {noise.chance:.0%})"
    )
    told = f"Of {noise.rows:,} labels {percent(share, most)} look wrong to {judge}"
    if noise.rows < noise.of_rows:
        told += f", on a drawn sample of {noise.of_rows:,} rows"
    if noise.accuracy < noise.chance + LEAST_GAIN:
        sentence = (
            f"The labels can't be told from the pictures by {judge}: are they the labels of these"
            " pictures?"
        )
        return Rule(
            name, "label-noise", policy.severity(name), False, percent(share, most), bound, sentence
        )
    sentence = (
        f"{told}; {bound} is expected. Nothing was changed: a person decides over {noise.file}."
    )
    return Rule(
        name,
        "label-noise",
        policy.severity(name),
        share <= most,
        percent(share, most),
        bound,
        sentence,
    )


def no_comparison_rule(snapshot_id: str | None, policy: ValidationPolicy) -> Rule:
    """Says why drift wasn't measured: on a first night, or because statistics are gone."""
    first = snapshot_id is None
    sentence = (
        "No snapshot of this source was accepted before, so there is nothing to measure drift"
        " against."
        if first
        else (
            "Drift can't be measured: the statistics of the accepted snapshot"
            f" {str(snapshot_id)[:12]} are not in the store."
        )
    )
    return Rule(
        "drift",
        DISTRIBUTIONS,
        policy.severity("drift"),
        first,
        "not measured",
        "an accepted snapshot",
        sentence,
    )


def decide(rules: Iterable[Rule]) -> Literal["go", "stop"]:
    """Any failed critical rule stops the night."""
    return (
        "stop" if any(rule.severity == "critical" and not rule.passed for rule in rules) else "go"
    )


def _distance_rule(
    column: str,
    which: str,
    value: float,
    bounds: tuple[float, float],
    policy: ValidationPolicy,
    rows: int,
    words: tuple[str, str],
) -> Rule:
    bound = bounds[0] if column == "label" else bounds[1]
    passed, far = value <= bound, value > CRITICAL_FROM * bound
    name = f"{column} {which}"
    severity = policy.severity(name)
    if severity == "critical" and not (far and rows >= ENOUGH_ROWS):
        severity = "warning"
    measure = "L-infinity distance" if column == "label" else "Jensen-Shannon divergence"
    sentence = (
        f"The distribution of {column} {words[0] if passed else words[1]}: {measure} {value:.3f},"
        f" bound {bound:g}"
    )
    if far:
        sentence += f", more than {CRITICAL_FROM:g} times the bound"
    if far and rows < ENOUGH_ROWS:
        sentence += f", but on only {rows} rows, where that may be chance"
    return Rule(
        name, DISTRIBUTIONS, severity, passed, f"{value:.3f}", f"at most {bound:g}", f"{sentence}."
    )
