"""What resolve, ingest, validate and resample found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.shared.preset.validation import Severity
from components.shared.run_plan import NightPlan


@dataclass(frozen=True)
class ResolveFindings:
    """resolve: is there work tonight?"""

    plan: NightPlan
    plan_digest: str
    preset_json: str


@dataclass(frozen=True)
class RejectedImage:
    """An object of the source that gave no row."""

    source_uri: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Duplicates:
    """Copies among the accepted rows: pixel-exact ones and, where it says near, near duplicates.

    Attributes:
        groups: contents that stand more than once; surplus_rows: rows beyond the first of each.
        test_rows_with_training_twin: test rows whose content also stands in published training.
        conflicting_groups: contents that carry more than one label.
        training_groups, training_surplus_rows: the same of rows published for training (or for
            nothing) alone.
        near_groups: groups of more than one content; near_contents: their contents beyond the
            first.
        near_test_rows_with_training_twin: test rows whose group, but not their content, stands in
            published training.
        near_constant_rows: pictures below the preset's ``min_contrast``.
    """

    distinct_contents: int
    groups: int
    surplus_rows: int
    test_rows_with_training_twin: int
    conflicting_groups: int
    training_groups: int = 0
    training_surplus_rows: int = 0
    near_groups: int = 0
    near_contents: int = 0
    near_test_rows_with_training_twin: int = 0
    near_constant_rows: int = 0


@dataclass(frozen=True)
class IngestFindings:
    """ingest: what was read, and what became of every file. read = accepted + rejected.

    Attributes:
        left_out: accepted rows that no split uses, by reason (also `left_out_reasons`).
        counts: rows per split and label. thumbnails: a few images per label.
        reused: accepted rows taken from the last accepted snapshot instead of decoded; gone: its
            rows that left the source.
        forgotten: rows that a tombstone keeps out; they count as never read. relabelled: rows with
            a person's label.
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
    reused: int = 0
    gone: int = 0
    forgotten: int = 0
    relabelled: int = 0


@dataclass(frozen=True)
class Rule:
    """One rule of validation and how it went. ``value`` and ``bound`` are words for people."""

    name: str
    library: Literal["great-expectations", "tensorflow-data-validation", "label-noise"]
    severity: Severity
    passed: bool
    value: str
    bound: str
    sentence: str


@dataclass(frozen=True)
class ClassSlice:
    """Training rows of one label.

    How many, and mean and standard deviation of every picture measure.
    """

    label: str
    rows: int
    means: dict[str, float]
    deviations: dict[str, float]


@dataclass(frozen=True)
class DoubtfulLabel:
    """A row whose label a model that never saw it doubts.

    Attributes:
        image: thumbnail. label: as it stands. suggested: what the model says instead.
        label_probability, suggested_probability: what it gives to either.
    """

    example_id: str
    source_uri: str
    image: str
    split: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class LabelNoise:
    """Labels that are doubted (confident learning, Northcutt et al. 2021).

    Nothing was changed or dropped because of it.

    Attributes:
        method: the model behind it, in words.
        rows: how many were judged; of_rows: of how many (a seeded sample of them where there are
            more).
        accuracy: share of rows that the model gets right without having seen them, mean over
            labels: how far to trust it.
        chance: what guessing gets.
        doubted: judged rows that confident learning places under another label, by label as it
            stands.
        most_doubtful: a few of them, of each content group one, most doubtful first.
        file: CSV of up to 2,000 of them in the columns of relabels.csv, `by` and `at` empty;
            relative to the run's folder in the store.
    """

    method: str
    rows: int
    of_rows: int
    accuracy: float
    chance: float
    doubted: dict[str, int]
    most_doubtful: tuple[DoubtfulLabel, ...]
    file: str


@dataclass(frozen=True)
class ValidateFindings:
    """validate: go or stop.

    Attributes:
        compared_with: the accepted snapshot that drift was measured against, if any.
        drift: distance per column to that snapshot. skew: distance per column between train and
            test.
        slices: the training rows of each label. label_noise: None where there was too little to
            judge.
        data_docs: what Great Expectations says of every row rule: a page, relative to the run's
            folder in the store.
    """

    decision: Literal["go", "stop"]
    snapshot_id: str
    rules: tuple[Rule, ...]
    compared_with: str | None
    drift: dict[str, float]
    skew: dict[str, float]
    slices: tuple[ClassSlice, ...] = ()
    label_noise: LabelNoise | None = None
    data_docs: str = ""


@dataclass(frozen=True)
class ResampleFindings:
    """resample: rows per label before, draws per label and epoch after, and the loss weights."""

    strategy: str
    before: dict[str, int]
    after: dict[str, int]
    class_weights: dict[str, float]
