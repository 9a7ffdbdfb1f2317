"""From measured distances and mismatches to rules, and from all rules to go or stop. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from components.contracts.findings import Rule, Severity
from components.contracts.preset import ValidationPolicy

# Beyond the bound is worth a look; beyond twice the bound the data isn't what the bound was set for.
CRITICAL_FROM = 2.0
# Distances of few rows are mostly chance: drawn from one distribution, two times 100 rows were seen to differ by up to
# 0.10 in Jensen-Shannon divergence (ten buckets) and 0.15 in the shares of seven labels, two times 50 by up to 0.19.
ENOUGH_ROWS = 100


def schema_rule(mismatches: Mapping[str, str]) -> Rule:
    """Columns are as the schema says. Critical: later steps rely on it."""
    value = f"{len(mismatches)} anomalies" if len(mismatches) != 1 else "1 anomaly"
    told = "; ".join(f"{name}: {words}" for name, words in mismatches.items())
    sentence = f"Columns depart from the schema: {told}." if mismatches else "Types, presence and values of every column fit the schema."
    return Rule("schema", "tensorflow-data-validation", "critical", not mismatches, value, "no anomaly", sentence)


def drift_rules(drift: Mapping[str, float], policy: ValidationPolicy, rows: int, snapshot_id: str) -> tuple[Rule, ...]:
    """One rule per column compared with the last accepted snapshot. ``rows``: training rows of the smaller of both."""
    before = f"the accepted snapshot {snapshot_id[:12]}"
    words = ("is close to that of " + before, "moved away from that of " + before)
    return tuple(_distance_rule(name, "drift", value, _drift_bound(name, policy), rows, words) for name, value in drift.items())


def skew_rules(skew: Mapping[str, float], policy: ValidationPolicy, rows: int) -> tuple[Rule, ...]:
    """One rule per column compared between training and test. ``rows``: of the smaller of both."""
    words = ("is alike in training and test", "differs between training and test")
    return tuple(_distance_rule(name, "skew", value, _skew_bound(name, policy), rows, words) for name, value in skew.items())


def no_comparison_rule(snapshot_id: str | None) -> Rule:
    """Says why drift wasn't measured: on a first night, or because statistics are gone."""
    first = snapshot_id is None
    sentence = (
        "No snapshot of this source was accepted before, so there is nothing to measure drift against."
        if first
        else f"Drift can't be measured: the statistics of the accepted snapshot {str(snapshot_id)[:12]} are not in the store."
    )
    severity: Severity = "info" if first else "warning"
    return Rule("drift", "tensorflow-data-validation", severity, first, "not measured", "an accepted snapshot", sentence)


def decide(rules: Iterable[Rule]) -> Literal["go", "stop"]:
    """Any failed critical rule stops the night."""
    return "stop" if any(rule.severity == "critical" and not rule.passed for rule in rules) else "go"


def _drift_bound(column: str, policy: ValidationPolicy) -> float:
    return policy.max_label_drift if column == "label" else policy.max_feature_drift


def _skew_bound(column: str, policy: ValidationPolicy) -> float:
    return policy.max_split_skew if column == "label" else policy.max_feature_drift


def _distance_rule(column: str, which: str, value: float, bound: float, rows: int, words: tuple[str, str]) -> Rule:
    passed, far = value <= bound, value > CRITICAL_FROM * bound
    severity: Severity = "critical" if far and rows >= ENOUGH_ROWS else "warning"
    measure = "L-infinity distance" if column == "label" else "Jensen-Shannon divergence"
    sentence = f"The distribution of {column} {words[0] if passed else words[1]}: {measure} {value:.3f}, bound {bound:g}"
    if far:
        sentence += f", more than {CRITICAL_FROM:g} times the bound"
    if far and rows < ENOUGH_ROWS:
        sentence += f", but on only {rows} rows, where that may be chance"
    return Rule(f"{column} {which}", "tensorflow-data-validation", severity, passed, f"{value:.3f}", f"at most {bound:g}", f"{sentence}.")
