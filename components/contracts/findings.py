"""What each step found, as typed values: the report is built from these alone.

Images inside findings are data URIs (`data:image/png;base64,...`) of small thumbnails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from components.contracts.night import NightPlan, Pointer

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


@dataclass(frozen=True)
class TrainFindings:
    """train: how it went.

    Attributes:
        history: per epoch, keys accuracy, loss, val_accuracy, val_loss, learning_rate, seconds.
        best_epoch: 1-based epoch whose weights were kept.
        stages: first epoch (1-based) of each stage.
        export_difference: largest difference of probabilities between the three exported files.
        ece_before, ece_after: expected calibration error on held-out rows, before and after the temperature.
    """

    architecture: str
    parameters: int
    device: str
    seed: int
    train_rows: int
    validation_rows: int
    history: dict[str, tuple[float, ...]]
    best_epoch: int
    stages: tuple[int, ...]
    images_per_second: float
    temperature: float
    ece_before: float
    ece_after: float
    export_difference: float
    file_bytes: dict[str, int]


@dataclass(frozen=True)
class ClassScore:
    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """How one model did on the test rows.

    Attributes:
        version: registry version, or the challenger's content version.
        confusion: counts, rows are true labels, columns predicted, in label order.
        ece: expected calibration error, 15 equal-width bins (Guo et al. 2017, section 3).
        accuracy_without_twins: without test rows whose content also stands in published training.
    """

    version: str
    rows: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    majority_share: float
    log_loss: float
    brier: float
    ece: float
    accuracy_without_twins: float
    rows_without_twins: int
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class SamplePrediction:
    """One test image with what the challenger and, if there is one, the champion say."""

    example_id: str
    image: str
    label: str
    predicted: str
    probabilities: tuple[float, ...]
    champion_predicted: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same rows.

    Attributes:
        only_challenger_right, only_champion_right: the discordant counts b and c of McNemar's table.
    """

    rows: int
    both_right: int
    only_challenger_right: int
    only_champion_right: int
    both_wrong: int


@dataclass(frozen=True)
class EvaluateFindings:
    """evaluate: scores of challenger, champion and anchor on identical rows."""

    snapshot_id: str
    labels: tuple[str, ...]
    challenger: Scores
    champion: Scores | None
    anchor: Scores | None
    comparison: Comparison | None
    samples: tuple[SamplePrediction, ...]


@dataclass(frozen=True)
class ServingMeasurement:
    """One served model over HTTP on one machine. Latencies in milliseconds, one image per request."""

    version: str
    cold_start_seconds: float
    p50_milliseconds: float
    p95_milliseconds: float
    requests_per_second: float
    resident_bytes: int
    model_bytes: int


@dataclass(frozen=True)
class ServingFindings:
    """check-serving: the real server, started as a separate process, answers the golden images."""

    golden_images: int
    golden_failures: int
    golden_max_difference: float
    challenger: ServingMeasurement
    champion: ServingMeasurement | None
    server: str


@dataclass(frozen=True)
class Check:
    """One check of the gate.

    Attributes:
        value: what was measured. bound: what it was held against.
        direction: at-least or at-most. outcome: pass, fail, or ask (a person must decide).
        interval: confidence interval of the value, (lower, upper), where one was computed.
        rows: sample size behind the value, where it has one.
        sentence: the same in words, with the figures.
    """

    name: str
    value: float
    bound: float
    direction: Literal["at-least", "at-most"]
    outcome: Literal["pass", "fail", "ask"]
    sentence: str
    interval: tuple[float, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Verdict:
    """gate: the word, and every check behind it.

    Attributes:
        challenger: version that was judged.
        champion: the version it was judged against; promotion compares-and-sets against exactly it.
    """

    word: Literal["blessed", "rejected", "needs-approval"]
    model_name: str
    challenger: str
    champion: str | None
    anchor: str | None
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class DeployFindings:
    """deploy: what the registry says now."""

    model_name: str
    version: str
    champion: Pointer
    previous: Pointer | None
    anchor: Pointer
    storage_uri: str
    manifest: str


@dataclass(frozen=True)
class Evidence:
    """What one step leaves in the store: how it went, and its findings.

    Attributes:
        status: running until the step ends; a killed step stays so.
        started_at, finished_at: UTC, ISO 8601.
        peak_memory_bytes: largest resident size of the step's process plus that of its largest child.
        error: one line, when it failed.
        findings: the step's entry of `FINDINGS` as a JSON object; empty until it succeeded.
        environment: Python version, lock digest and image of the step.
    """

    step: str
    run_id: str
    status: Literal["running", "succeeded", "failed"]
    started_at: str
    finished_at: str = ""
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    error: str = ""
    findings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


FINDINGS: dict[str, type] = {
    "resolve": ResolveFindings,
    "ingest": IngestFindings,
    "validate": ValidateFindings,
    "resample": ResampleFindings,
    "train": TrainFindings,
    "evaluate": EvaluateFindings,
    "check-serving": ServingFindings,
    "gate": Verdict,
    "deploy": DeployFindings,
}
