"""What each step found, as typed values: the report is built from these alone.

Images inside findings are data URIs (`data:image/png;base64,...`) of small thumbnails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from components.shared.findings.data import (
    ClassSlice,
    DoubtfulLabel,
    Duplicates,
    IngestFindings,
    LabelNoise,
    RejectedImage,
    ResampleFindings,
    ResolveFindings,
    Rule,
    ValidateFindings,
)
from components.shared.findings.evaluation import (
    Change,
    Check,
    ClassScore,
    Comparison,
    Curve,
    EvaluateFindings,
    Looks,
    PartScore,
    ReliabilityBin,
    Resolution,
    SamplePrediction,
    Scores,
    SoftScore,
    Verdict,
)
from components.shared.findings.serving import (
    DeployFindings,
    RegisterFindings,
    RolloutFindings,
    RolloutStep,
    ServingFindings,
    ServingMeasurement,
)
from components.shared.findings.training import TrainFindings

__all__ = [
    "FINDINGS",
    "Change",
    "Check",
    "ClassScore",
    "ClassSlice",
    "Comparison",
    "Curve",
    "DeployFindings",
    "DoubtfulLabel",
    "Duplicates",
    "EvaluateFindings",
    "Evidence",
    "IngestFindings",
    "LabelNoise",
    "Looks",
    "PartScore",
    "RegisterFindings",
    "RejectedImage",
    "ReliabilityBin",
    "ResampleFindings",
    "Resolution",
    "ResolveFindings",
    "RolloutFindings",
    "RolloutStep",
    "Rule",
    "SamplePrediction",
    "Scores",
    "ServingFindings",
    "ServingMeasurement",
    "SoftScore",
    "TrainFindings",
    "ValidateFindings",
    "Verdict",
]


@dataclass(frozen=True)
class Evidence:
    """What one step leaves in the store: how it went, and its findings.

    Attributes:
        status: running until the step ends; a killed step stays so.
        started_at, finished_at: UTC, ISO 8601.
        peak_memory_bytes: largest resident size of the step's process plus that of its largest
            child.
        cpu_seconds: processor time of the step's process and its children.
        attempts: how often the step began in this run. earlier_seconds: what the attempts before
            this one took, as far as they could tell.
        error: one line, when it failed.
        findings: the step's entry of `FINDINGS` as a JSON object; empty until it succeeded.
        environment: Python version, lock digest and image of the step; in a pod its name, and its
            row of the resources table as JSON.
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
    cpu_seconds: float = 0.0
    attempts: int = 1
    earlier_seconds: float = 0.0


FINDINGS: dict[str, type] = {
    "resolve": ResolveFindings,
    "ingest": IngestFindings,
    "validate": ValidateFindings,
    "resample": ResampleFindings,
    "train": TrainFindings,
    "evaluate": EvaluateFindings,
    "check-serving": ServingFindings,
    "gate": Verdict,
    "register": RegisterFindings,
    "deploy": DeployFindings,
}
