"""Kubernetes objects, as JSON, to what is seen.

Nothing here trusts the InferenceService's own Ready or observedGeneration: after a change Ready is
the old one's for a while, and KServe copies observedGeneration from a child, so it counts something
else. What counts is the Deployment or Knative revision that carries the revision's name, and the
routes themselves.
"""

from __future__ import annotations

from typing import Any

from components.deployment.manifest.inference_service import REVISION_LABEL
from components.deployment.rollout.cluster import Workload
from components.deployment.rollout.state import Mode
from components.shared.text import shortened

Json = dict[str, Any]

# Reasons for which the kubelet keeps a container waiting, and that time alone seldom mends.
HOPELESS = {
    "CrashLoopBackOff": "crashes again and again",
    "ImagePullBackOff": "can't pull its image",
    "InvalidImageName": "names no valid image",
    "CreateContainerConfigError": "can't be configured",
    "CreateContainerError": "can't be created",
    "RunContainerError": "can't be started",
}


def mode_of(service: Json) -> Mode:
    """Return the deployment mode that an InferenceService asks for.

    Older names of the modes included.
    """
    annotations = service["metadata"].get("annotations") or {}
    knative = annotations.get("serving.kserve.io/deploymentMode", "Standard") in (
        "Knative",
        "Serverless",
    )
    return "Knative" if knative else "Standard"


def deployment_workload(deployment: Json | None, pods: list[Json], revision: str) -> Workload:
    """Return a revision in Standard mode.

    Its own Deployment, seen by its controller in its current generation.
    """
    if deployment is None:
        return Workload(False, len(pods), pod_failure(pods))
    metadata, status = deployment["metadata"], deployment.get("status") or {}
    current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    labels = deployment.get("spec", {}).get("template", {}).get("metadata", {}).get("labels") or {}
    ours = labels.get(REVISION_LABEL) == revision
    stuck = [
        condition
        for condition in status.get("conditions") or []
        if condition.get("type") == "Progressing"
        and condition.get("reason") == "ProgressDeadlineExceeded"
    ]
    failure = pod_failure(pods) or (
        f"its Deployment gave up: {stuck[0].get('message', '')}" if stuck and current else ""
    )
    return Workload(ours and current and status.get("availableReplicas", 0) > 0, len(pods), failure)


def knative_workload(revision_object: Json | None, pods: list[Json], revision: str) -> Workload:
    """Return a revision in Knative mode: its own Revision object, which never changes once made."""
    if (
        revision_object is None
        or (revision_object["metadata"].get("labels") or {}).get(REVISION_LABEL) != revision
    ):
        return Workload(False, len(pods), pod_failure(pods))
    ready = condition(revision_object, "Ready")
    failure = pod_failure(pods)
    if not failure and ready.get("status") == "False":
        failure = f"Knative gave the revision up: {ready.get('reason', '')} {ready.get('message', '')}".strip()
    return Workload(ready.get("status") == "True", len(pods), failure)


def pod_failure(pods: list[Json]) -> str:
    """Why a pod won't become ready by itself, in words; "" when all may.

    The storage initializer's container counts.
    """
    for pod in pods:
        status = pod.get("status") or {}
        for container in [
            *(status.get("initContainerStatuses") or []),
            *(status.get("containerStatuses") or []),
        ]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason", "")
            if reason in HOPELESS:
                detail = shortened(waiting.get("message", ""), 200)
                told = f"its container {container.get('name', '?')} {HOPELESS[reason]} ({reason})"
                return f"{told}: {detail}" if detail else told
    return ""


def route_share(routes: list[Json], workload: str) -> int | None:
    """Percent of the traffic that all HTTPRoutes send to a workload.

    None when one isn't accepted or they disagree.

    Args:
        routes: that exist of the service's. workload: name of the Service behind the revision.
    """
    shares = {_share(route, workload) for route in routes}
    return shares.pop() if len(shares) == 1 else None


def knative_share(service: Json, revision_object_name: str) -> int | None:
    """Percent of the traffic that Knative sends to a revision; None when it doesn't say."""
    traffic = predictor_status(service).get("traffic")
    if not traffic:
        return None
    return sum(
        target.get("percent") or 0
        for target in traffic
        if target.get("revisionName") == revision_object_name
    )


def predictor_status(service: Json) -> Json:
    """Return the predictor's part of an InferenceService's status."""
    components = (service.get("status") or {}).get("components") or {}
    found: Json = components.get("predictor") or {}
    return found


def condition(thing: Json, kind: str) -> Json:
    """One of an object's status conditions; {} when it isn't there."""
    for found in (thing.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return {}


def _share(route: Json, workload: str) -> int | None:
    generation = route["metadata"].get("generation", 0)
    parents = (route.get("status") or {}).get("parents") or []
    accepted = [
        any(
            found.get("type") == "Accepted"
            and found.get("status") == "True"
            and found.get("observedGeneration", 0) >= generation
            for found in parent.get("conditions") or []
        )
        for parent in parents
    ]
    if not accepted or not all(accepted):
        return None
    rules = [rule.get("backendRefs") or [] for rule in route.get("spec", {}).get("rules") or []]
    shares = {_percent(backends, workload) for backends in rules if backends}
    return shares.pop() if len(shares) == 1 else None


def _percent(backends: list[Json], workload: str) -> int:
    weights = [(backend.get("name"), backend.get("weight", 1)) for backend in backends]
    total = sum(weight for _, weight in weights)
    return (
        round(100 * sum(weight for name, weight in weights if name == workload) / total)
        if total
        else 0
    )
