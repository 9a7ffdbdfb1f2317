"""What is under way, as it stands in the InferenceService's annotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from components.shared.findings import RolloutStep
from components.shared.preset import RolloutPolicy
from components.shared.serialization import from_json, to_json

Phase = Literal[
    "starting", "shifting", "promoting", "serving", "rolling-back", "draining", "rolled-back"
]
FORWARD: tuple[Phase, ...] = ("starting", "shifting", "promoting")
ENDED: tuple[Phase, ...] = ("serving", "rolled-back")
Mode = Literal["Standard", "Knative"]


@dataclass(frozen=True)
class Revision:
    """One version under one pod template.

    Attributes:
        name: see `components.deployment.manifest.names.revision_name`.
        predictor: ``spec.predictor`` as JSON.
    """

    name: str
    version: str
    predictor: dict[str, Any]


@dataclass(frozen=True)
class Rollout:
    """One version's way to the traffic.

    Attributes:
        new, previous: the revision on its way, and the one that served before; None for a first
            one.
        phase: starting: deployed dark, without traffic (a first one has all, since nothing else
            serves). shifting: ``percent`` of the traffic is the new one's.
            promoting: it has become ``spec.predictor`` and the previous one stands by without
                traffic.
            serving: done. rolling-back: the traffic goes back, and all pods stay. draining: the
                route says that it went,
            and what is under way comes to its end. rolled-back: done, and the new one's pods go.
        since: Unix seconds, when the phase and percentage began. started: when the rollout did.
        attempt: counts the tries to go back; each is another write, which makes KServe look again.
        held_percent: on the way back the most that the new one had: its pods stay as many as that
            takes.
        reason: why it goes or went back.
        steps: what was measured on the way.
    """

    model_name: str
    namespace: str
    mode: Mode
    run_id: str
    new: Revision
    previous: Revision | None
    policy: RolloutPolicy
    phase: Phase
    percent: int
    since: float
    started: float
    attempt: int = 0
    reason: str = ""
    steps: tuple[RolloutStep, ...] = ()
    held_percent: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more is done for it."""
        return self.phase in ENDED

    @property
    def percentages(self) -> tuple[int, ...]:
        """The steps of this rollout: a first revision has all the traffic from the start."""
        return self.policy.steps if self.previous else (100,)

    @property
    def serving(self) -> Revision | None:
        """The revision that should have all the traffic once this rollout has ended."""
        return self.new if self.phase == "serving" else self.previous


def write(rollout: Rollout) -> str:
    """Return the annotation's value."""
    return to_json(rollout)


def read(text: str, place: str) -> Rollout:
    """Return the rollout in an annotation. Raises ContractError when it isn't one."""
    return from_json(Rollout, text, f"the rollout annotation of {place}")
