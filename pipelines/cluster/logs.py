"""What the pods of a step printed: while it runs, after it ended, and after its pods are gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from components.shared.errors import InputError
from components.shared.findings import Evidence
from pipelines.cluster.client import Kubeflow, MissingLogError
from pipelines.cluster.status import RunStatus, kubectl_logs
from pipelines.cluster.steps import Step
from pipelines.cluster.workflows import Node


@dataclass(frozen=True)
class Log:
    """What one attempt of a step printed, or left in the store.

    ``source`` says where it was read.
    """

    pod: str
    source: str
    text: str


def logs_of(client: Kubeflow, status: RunStatus, step: str) -> tuple[list[Log], list[str]]:
    """Return the logs of every attempt that can be read, the earliest first, and in words what can't be; else what the step left in the store.

    The server reads a pod's log, and where that fails, the one that Argo archived (KFP 2.17.0:
    backend/src/apiserver/resource/resource_manager.go, ReadLog); it doesn't say which.

    Raises:
        InputError: the step never began, or nothing of what it printed can be read.
    """
    stands = status.steps.get(step)
    if stands is None or stands.state == "cached":
        began = (
            ", ".join(name for name, other in status.steps.items() if other.state != "cached")
            or "none yet"
        )
        why = "took the result of an earlier run" if stands else "didn't begin"
        raise InputError(
            f"{step} {why} in run {status.run.display_name}", expected=f"a step that began: {began}"
        )
    evidence = status.evidence.get(step)
    found: list[Log] = []
    missing: list[str] = []
    for pod, node in _pods(stands, evidence):
        try:
            found.append(Log(pod, _source(status, node), client.log(status.run.run_id, pod)))
        except MissingLogError as error:
            missing.append(f"nothing that {pod} printed can be read: {_why(node, str(error))}")
    if found:
        return found, missing
    command = f"while its pods are there: `{kubectl_logs(status, step)}`"
    if evidence:
        text = f"{step} {evidence.status}" + (f": {evidence.error}" if evidence.error else "")
        return [
            Log(
                evidence.environment.get("pod", step),
                "the store, since its log can't be read",
                text,
            )
        ], [*missing, command]
    raise InputError(
        f"nothing that {step} printed can be read",
        received="; ".join((*missing, stands.why) if stands.why else missing)
        or f"no pod of it is told of, it is {stands.state}",
        fix=command,
    )


def _pods(step: Step, evidence: Evidence | None) -> list[tuple[str, Node | None]]:
    """Names of the step's pods.

    Where the server tells none, the one that the step itself recorded.
    """
    recorded = evidence.environment.get("pod", "") if evidence else ""
    told: list[tuple[str, Node | None]] = [(node.pod, node) for node in step.pods]
    return told or ([(recorded, None)] if recorded else [])


def _source(status: RunStatus, node: Node | None) -> str:
    removed_at = status.workflow.removed_at if status.workflow else None
    if node is not None and node.phase == "Running":
        return "its pod"
    if removed_at is not None and removed_at < datetime.now(timezone.utc):
        return "Argo's archive: the run's pods are gone"
    return "its pod, or Argo's archive if the pod is gone"


def _why(node: Node | None, refusal: str) -> str:
    if node is not None and node.phase == "Pending":
        return f"it hasn't started, {node.message or 'no reason is told'}"
    archived = (
        f"; its log is archived as {node.log_key} in Argo's bucket"
        if node is not None and node.log_key
        else ""
    )
    return refusal[:200] + archived
