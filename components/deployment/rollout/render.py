"""The InferenceService that a rollout means.

The same one for the same rollout, whoever applies it.
"""

from __future__ import annotations

import math
from typing import Any

from components.deployment.manifest.inference_service import ROLLOUT, RUN_ID, service
from components.deployment.rollout.state import Revision, Rollout, write
from components.shared.preset import ServingPolicy

STOP = (  # KServe removes the pods of a service with this annotation and keeps the service
    "serving.kserve.io/stop"
)


def render(rollout: Rollout) -> dict[str, Any]:
    """Return the InferenceService as JSON, its state in an annotation.

    Both revisions stand side by side until the new one serves, or has drained on the way back, so
    each change of traffic, there or back, starts no pod that wasn't ready and ends none that is
    still asked. A first revision that fails is stopped: there is nothing to go back to.
    """
    annotations = {ROLLOUT: write(rollout), RUN_ID: rollout.run_id}
    if rollout.previous is None and rollout.phase in ("rolling-back", "draining", "rolled-back"):
        annotations[STOP] = "true"
    policy = ServingPolicy(namespace=rollout.namespace, mode=rollout.mode)
    if rollout.mode == "Knative":
        return service(rollout.model_name, policy, _newest(rollout), None, annotations)
    stable, canary = _pair(rollout)
    return service(rollout.model_name, policy, stable, canary, annotations)


def replicas(revision: Revision, percent: int) -> int:
    """Pods of a canary, which KServe doesn't scale.

    Its share of the most that the service may have, at least one.

    Left unset, KServe would take 0 of a dark launch.
    """
    return max(1, math.ceil(int(revision.predictor["maxReplicas"]) * percent / 100))


def _pair(rollout: Rollout) -> tuple[dict[str, Any], tuple[dict[str, Any], int] | None]:
    new, previous = rollout.new, rollout.previous
    if previous is None or rollout.phase == "serving":
        return new.predictor, None
    if rollout.phase == "promoting":
        return new.predictor, (previous.predictor, 0)
    if rollout.phase == "rolled-back":
        return previous.predictor, None
    held = max(rollout.percent, rollout.held_percent)
    canary = {**new.predictor, "minReplicas": replicas(new, held)}
    return previous.predictor, (canary, rollout.percent)


def _newest(rollout: Rollout) -> dict[str, Any]:
    """In Knative mode the newest revision stays in the spec; without traffic once it went back."""
    if rollout.previous is None or rollout.phase in ("promoting", "serving"):
        return rollout.new.predictor
    percent = rollout.percent if rollout.phase == "shifting" else 0
    return {**rollout.new.predictor, "canaryTrafficPercent": percent}
