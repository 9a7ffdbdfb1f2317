"""What the evidence files say, read so that nothing in them can stop the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from components.shared.errors import EmotionError
from components.shared.findings import (
    FINDINGS,
    DeployFindings,
    EvaluateFindings,
    Evidence,
    IngestFindings,
    RegisterFindings,
    ResampleFindings,
    ResolveFindings,
    ServingFindings,
    TrainFindings,
    ValidateFindings,
    Verdict,
)
from components.shared.serialization import from_plain
from components.shared.steps import STEPS
from components.shared.text import shortened

Status = Literal["succeeded", "failed", "running", "unreadable", "missing", "skipped"]
REPORTED = tuple(name for name in STEPS if name != "report")
ONLY_AFTER = {
    "register": "needs-approval",
    "deploy": "blessed",
}  # steps that one word of the gate alone leads to

T = TypeVar("T")


@dataclass(frozen=True)
class Observed:
    """One step, as its evidence shows it.

    Attributes:
        status: that of the evidence; running means killed, since the report comes last. unreadable:
            its findings can't be read. missing: it left none, or only some from an earlier attempt
            that failed. skipped: tonight's outcome left nothing for it to do.
        cached: the findings come from an earlier attempt of the same run.
        cpu_seconds, attempts, earlier_seconds: as in the evidence.
        error: why, for failed and unreadable.
        findings: an instance of the step's entry in `FINDINGS`, when it succeeded.
    """

    name: str
    status: Status
    seconds: float = 0.0
    cached: bool = False
    error: str = ""
    started_at: str = ""
    finished_at: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    findings: Any = None
    peak_memory_bytes: int = 0
    cpu_seconds: float = 0.0
    attempts: int = 1
    earlier_seconds: float = 0.0


@dataclass(frozen=True)
class Night:
    """All steps but the report, in the order of the flow."""

    run_id: str
    steps: tuple[Observed, ...]

    def step(self, name: str) -> Observed:
        """Return what is known of a step."""
        return next(step for step in self.steps if step.name == name)

    @property
    def resolve(self) -> ResolveFindings | None:
        """What resolve found; None where that isn't known."""
        return self._found("resolve", ResolveFindings)

    @property
    def ingest(self) -> IngestFindings | None:
        """What ingest found; None where that isn't known."""
        return self._found("ingest", IngestFindings)

    @property
    def validate(self) -> ValidateFindings | None:
        """What validate found; None where that isn't known."""
        return self._found("validate", ValidateFindings)

    @property
    def resample(self) -> ResampleFindings | None:
        """What resample found; None where that isn't known."""
        return self._found("resample", ResampleFindings)

    @property
    def train(self) -> TrainFindings | None:
        """What train found; None where that isn't known."""
        return self._found("train", TrainFindings)

    @property
    def evaluate(self) -> EvaluateFindings | None:
        """What evaluate found; None where that isn't known."""
        return self._found("evaluate", EvaluateFindings)

    @property
    def serving(self) -> ServingFindings | None:
        """What the serving check found; None where that isn't known."""
        return self._found("check-serving", ServingFindings)

    @property
    def gate(self) -> Verdict | None:
        """What the gate found; None where that isn't known."""
        return self._found("gate", Verdict)

    @property
    def register(self) -> RegisterFindings | None:
        """What register found; None where that isn't known."""
        return self._found("register", RegisterFindings)

    @property
    def deploy(self) -> DeployFindings | None:
        """What deploy found; None where that isn't known."""
        return self._found("deploy", DeployFindings)

    @property
    def finished_at(self) -> str:
        """When the last step ended, or began where it was killed; UTC, ISO 8601."""
        return max((step.finished_at or step.started_at for step in self.steps), default="")

    def _found(self, name: str, kind: type[T]) -> T | None:
        findings = self.step(name).findings
        return findings if isinstance(findings, kind) else None


def read_night(run_id: str, contents: Mapping[str, bytes | None]) -> Night:
    """Return the night that the evidence of its steps tells of.

    Args:
        contents: evidence file per step; None or absent where there is none.
    """
    began = _observe("resolve", contents.get("resolve")).started_at
    steps: list[Observed] = []
    over: Status | None = None
    word = ""
    for name in REPORTED:
        step = _of_this_attempt(_observe(name, contents.get(name)), began)
        if over == "skipped" or (over == "missing" and step.cached):
            step = Observed(name, over)
        if word and ONLY_AFTER.get(name, word) != word:
            step = Observed(name, "skipped")
        if isinstance(step.findings, Verdict):
            word = step.findings.word
        steps.append(step)
        over = over or _ends_the_flow(step)
    return Night(run_id, tuple(steps))


def _of_this_attempt(step: Observed, began: str) -> Observed:
    """Return the steps that count: a resumed run keeps what succeeded before it.

    resolve always runs anew, so its start divides the attempts.
    """
    if step.status == "succeeded":
        return replace(step, cached=bool(began) and step.finished_at < began)
    if step.status in ("failed", "running") and began and step.started_at < began:
        return Observed(step.name, "missing")
    return step


def _ends_the_flow(step: Observed) -> Status | None:
    if step.status in ("failed", "running"):
        return "missing"
    found = step.findings
    nothing = isinstance(found, ResolveFindings) and found.plan.work == "nothing-new"
    stopped = isinstance(found, ValidateFindings) and found.decision == "stop"
    rejected = isinstance(found, Verdict) and found.word == "rejected"
    return "skipped" if nothing or stopped or rejected else None


def _observe(name: str, content: bytes | None) -> Observed:
    if content is None:
        return Observed(name, "missing")
    try:
        evidence = from_plain(Evidence, json.loads(content), f"the evidence of {name}")
    except (EmotionError, ValueError, TypeError, RecursionError) as error:
        return Observed(name, "unreadable", error=shortened(error, 500))
    step = Observed(
        name,
        evidence.status,
        seconds=evidence.seconds,
        error=evidence.error,
        started_at=evidence.started_at,
        finished_at=evidence.finished_at,
        environment=evidence.environment,
        peak_memory_bytes=evidence.peak_memory_bytes,
        cpu_seconds=evidence.cpu_seconds,
        attempts=evidence.attempts,
        earlier_seconds=evidence.earlier_seconds,
    )
    if evidence.status != "succeeded":
        return step
    try:
        return replace(
            step, findings=from_plain(FINDINGS[name], evidence.findings, f"the findings of {name}")
        )
    except (EmotionError, ValueError, TypeError) as error:
        return replace(step, status="unreadable", error=shortened(error, 500))
