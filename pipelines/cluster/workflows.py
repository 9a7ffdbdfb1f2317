"""Argo's workflow of a run, as Kubeflow Pipelines keeps it.

Which pods a step had, how they went and why.

Kubeflow Pipelines' own list of tasks (``run_details.task_details``) holds neither pods nor reasons,
and it stands still once the workflow passed 1 MiB and Argo keeps its nodes compressed (KFP 2.17.0:
backend/src/apiserver/server/api_converter.go, report_server.go). The workflow itself is given by
version v1beta1 of the API alone, as ``pipeline_runtime.workflow_manifest``.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

DRIVER = "-driver"
EXECUTOR = "executor"  # the task inside a step's template that runs its container
FAILED_PHASES = ("Failed", "Error")
_ATTEMPT = re.compile(r"\(\d+\)$")


@dataclass(frozen=True)
class Node:
    """One node of a workflow: a task, an attempt of it, or a pod.

    Attributes:
        path: names of the tasks from the workflow down to this one, without the numbers of
            attempts.
        kind: Pod, DAG, Retry, Skipped and others of Argo's. phase: Pending, Running, Succeeded,
            Skipped, Omitted or one of `FAILED_PHASES`.
        message: why, in the words of Argo, the scheduler or the container runtime.
        started_at: when Argo made it; for a pod the time from which it waits. finished_at: None
            while it goes on.
        pod: name of the pod, where the node is one. log_key: where its log is archived in Argo's
            bucket; empty where it isn't.
    """

    path: tuple[str, ...]
    kind: str
    phase: str
    message: str
    started_at: datetime | None
    finished_at: datetime | None
    pod: str
    log_key: str


@dataclass(frozen=True)
class Workflow:
    """What is told of a run's workflow.

    Attributes:
        nodes: in the order in which they began; empty where they aren't told.
        deadline: when Argo ends it. stopped: whether somebody ended it, by a deadline of 0 seconds.
        removed_at: when Argo removes it with its pods; None where nothing says so.
    """

    name: str
    namespace: str
    message: str
    nodes: tuple[Node, ...]
    deadline: datetime | None
    stopped: bool
    removed_at: datetime | None


def read_workflow(manifest: str) -> Workflow | None:
    """Return the workflow that a manifest (JSON) describes; None where it describes none."""
    try:
        given = json.loads(manifest)
        metadata, spec, status = (
            given["metadata"],
            given.get("spec") or {},
            given.get("status") or {},
        )
        seconds = spec.get("activeDeadlineSeconds")
        started = moment(status.get("startedAt"))
        return Workflow(
            name=metadata["name"],
            namespace=metadata.get("namespace") or "",
            message=status.get("message") or "",
            nodes=tuple(
                sorted(
                    _nodes(metadata, status),
                    key=lambda node: (str(node.started_at or ""), node.path),
                )
            ),
            deadline=started + timedelta(seconds=seconds) if started and seconds else None,
            stopped=seconds == 0,
            removed_at=_removed_at(spec.get("ttlStrategy") or {}, status),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def moment(text: str | None) -> datetime | None:
    """Return a time of Kubernetes, UTC; None for none, which Go also writes as the year 1."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    return found if found and found.year > 1 else None


def _nodes(metadata: dict[str, Any], status: dict[str, Any]) -> list[Node]:
    """Return the nodes of a status, unpacked where Argo compressed them (v4.0.5: workflow/packer/packer.go, util/file/fileutil.go)."""
    nodes = status.get("nodes")
    if not nodes and status.get("compressedNodes"):
        try:
            nodes = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
        except (binascii.Error, OSError, EOFError, zlib.error, ValueError):
            nodes = None  # cut short on its way: what is left says nothing
    return [_node(metadata, one) for one in (nodes or {}).values()]


def _node(metadata: dict[str, Any], given: dict[str, Any]) -> Node:
    artifacts = (given.get("outputs") or {}).get("artifacts") or ()
    keys = [
        (artifact.get("s3") or {}).get("key")
        for artifact in artifacts
        if artifact.get("name") == "main-logs"
    ]
    return Node(
        path=tuple(_ATTEMPT.sub("", part) for part in given["name"].split(".")),
        kind=given["type"],
        phase=given.get("phase") or "Pending",
        message=" ".join((given.get("message") or "").split()),
        started_at=moment(given.get("startedAt")),
        finished_at=moment(given.get("finishedAt")),
        pod=_pod_name(metadata, given) if given["type"] == "Pod" else "",
        log_key=next(filter(None, keys), ""),
    )


def _pod_name(metadata: dict[str, Any], node: dict[str, Any]) -> str:
    """Return the name that Argo gives a node's pod (v4.0.5: workflow/util/pod_name.go)."""
    if (metadata.get("annotations") or {}).get("workflows.argoproj.io/pod-name-format") == "v1":
        return str(node["id"])
    template = node.get("templateName") or (node.get("templateRef") or {}).get("template") or ""
    prefix = f"{metadata['name']}-{template}" if template else metadata["name"]
    return f"{prefix[:242]}-{node['id'].rpartition('-')[2]}"


def _removed_at(ttl: dict[str, Any], status: dict[str, Any]) -> datetime | None:
    finished = moment(status.get("finishedAt"))
    by_phase = ttl.get(
        "secondsAfterSuccess" if status.get("phase") == "Succeeded" else "secondsAfterFailure"
    )
    seconds = by_phase if by_phase is not None else ttl.get("secondsAfterCompletion")
    return finished + timedelta(seconds=seconds) if finished and seconds is not None else None
