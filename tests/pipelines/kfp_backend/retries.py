"""Which lost attempt is made again, and when.

Argo Workflows v4.0.5, workflow/controller/operator.go (mergedTemplateDefaultsInto,
processNodeRetries, inferFailedReason, podReconciliation) and workflow/controller/workflowpod.go
(getDeadline); Kubeflow Pipelines 2.17.0, backend/src/v2/compiler/argocompiler/container.go
(getTaskRetryStrategyFromInput) and the defaults in
manifests/kustomize/third-party/argo/base/workflow-controller-configmap-patch.yaml, where
`failedPodRestart` isn't enabled.

Each task's strategy names a limit and a backoff, but no policy. The workflow's template defaults
name one, and the two are merged. A DAG template has no strategy of its own and gets the defaults
whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.pipelines.kfp_backend.compiled import Json


@dataclass(frozen=True)
class Strategy:
    """A template's retry strategy.

    Attributes:
        max_seconds: counted from the start of the first attempt; an attempt made again is ended
            there, too. None for no such limit.
    """

    limit: int
    policy: str
    backoff_seconds: float = 0.0
    factor: float = 1.0
    max_seconds: float | None = None


TEMPLATE_DEFAULTS = Strategy(limit=2, policy="OnError")
RETRIED_PHASES = {"OnError": {"Error"}, "OnFailure": {"Failed"}, "Always": {"Error", "Failed"}}

# How a node ends for what befalls its pod. One that is simply gone is an error. One that kubelet
# ended and gave a message has failed (inferFailedReason): Kubernetes v1.34,
# pkg/kubelet/active_deadline.go, eviction/helpers.go and nodeshutdown/nodeshutdown_manager.go. So a
# node that shuts down in good order, as a spot node may, has its pods fail, and they are not made
# again.
PHASES = {
    "pod deleted": "Error",
    "init container failed": "Error",
    "wait container failed": "Error",
    "exit code": "Failed",
    "out of memory": "Failed",
    "time limit": "Failed",
    "evicted by kubelet": "Failed",
    "node shut down": "Failed",
}


@dataclass(frozen=True)
class Attempt:
    """One attempt: how long its pod ran, and what ended it; empty for one that ended well."""

    seconds: float
    fault: str = ""


def strategy(task: Json, defaults: Strategy = TEMPLATE_DEFAULTS) -> Strategy:
    """The strategy of a task's pods, merged with the defaults."""
    policy = task.get("retryPolicy")
    if policy is None:
        return defaults
    return Strategy(
        int(policy.get("maxRetryCount", 0)),
        defaults.policy,
        _seconds(policy.get("backoffDuration", "0s")),
        float(policy.get("backoffFactor", 0)),
        _seconds(policy.get("backoffMaxDuration", "0s")),
    )


def attempts(plan: Strategy, outcomes: Sequence[Attempt]) -> tuple[list[float], str]:
    """Play what befalls one attempt after another.

    Returns:
        When each attempt that was made began, in seconds after the first, and what the node says in
        the end: empty for success.
    """
    began, now = [0.0], 0.0
    for count, outcome in enumerate(outcomes, start=1):
        seconds, fault = outcome.seconds, outcome.fault
        if count > 1 and plan.max_seconds is not None and now + seconds > plan.max_seconds:
            seconds, fault = plan.max_seconds - now, "time limit"
        now += seconds
        if not fault:
            return began, ""
        if plan.max_seconds is not None and now > plan.max_seconds:
            return began, "Max duration limit exceeded"
        wait = plan.backoff_seconds * (plan.factor ** (count - 1) if plan.factor > 0 else 1)
        if plan.max_seconds is not None and now + wait > plan.max_seconds:
            return began, "Backoff would exceed max duration limit"
        if PHASES[fault] not in RETRIED_PHASES[plan.policy]:
            return began, fault
        if count > plan.limit:
            return began, "No more retries left"
        now += wait
        began.append(now)
    return began, "running"


def attempts_in_all(
    plan: Strategy, levels: int, phase: str, defaults: Strategy = TEMPLATE_DEFAULTS
) -> int:
    """How often a pod is made that always ends in ``phase``, below so many DAGs.

    They are tried again, too, and the tries multiply.
    """
    own = plan.limit + 1 if phase in RETRIED_PHASES[plan.policy] else 1
    outer = defaults.limit + 1 if phase in RETRIED_PHASES[defaults.policy] else 1
    return int(own * outer**levels)


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))
