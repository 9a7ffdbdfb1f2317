"""What resolve, ingest, validate and resample found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.contracts.night import NightPlan

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class ResolveFindings:
    """resolve: is there work tonight?"""

    plan: NightPlan
    plan_digest: str
    preset_json: str


@dataclass(frozen=True)
class RejectedImage:
    source_uri: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Duplicates:
    """Pixel-exact copies among the accepted rows.

    Attributes:
        groups: contents that stand more than once; surplus_rows: rows beyond the first of each.
        test_rows_with_training_twin: test rows whose content also stands in published training.
        conflicting_groups: contents that carry more than one label.
    """

    distinct_contents: int
    groups: int
    surplus_rows: int
    test_rows_with_training_twin: int
    conflicting_groups: int


@dataclass(frozen=True)
class IngestFindings:
    """ingest: what was read, and what became of every file. read = accepted + rejected.

    Attributes:
        left_out: accepted rows that no split uses, by reason (also `left_out_reasons`).
        counts: rows per split and label. thumbnails: a few images per label.
    """

    snapshot_id: str
    source_id: str
    layout: str
    labels: tuple[str, ...]
    read: int
    accepted: int
    rejected: int
    left_out: int
    reject_reasons: dict[str, int]
    left_out_reasons: dict[str, int]
    rejected_examples: tuple[RejectedImage, ...]
    counts: dict[str, dict[str, int]]
    published_counts: dict[str, int]
    duplicates: Duplicates
    images_per_second: float
    runner: str
    thumbnails: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """One rule of validation and how it went. ``value`` and ``bound`` are words for people."""

    name: str
    library: Literal["great-expectations", "tensorflow-data-validation"]
    severity: Severity
    passed: bool
    value: str
    bound: str
    sentence: str


@dataclass(frozen=True)
class ValidateFindings:
    """validate: go or stop.

    Attributes:
        compared_with: the accepted snapshot that drift was measured against, if any.
        drift: distance per column to that snapshot. skew: distance per column between train and test.
    """

    decision: Literal["go", "stop"]
    snapshot_id: str
    rules: tuple[Rule, ...]
    compared_with: str | None
    drift: dict[str, float]
    skew: dict[str, float]


@dataclass(frozen=True)
class ResampleFindings:
    """resample: rows per label before, draws per label and epoch after, and the loss weights."""

    strategy: str
    before: dict[str, int]
    after: dict[str, int]
    class_weights: dict[str, float]
