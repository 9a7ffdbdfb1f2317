"""What Kubeflow Pipelines 2.17.0 and Argo Workflows 4.0.5 tell of a run of our pipeline, in five shapes.

They are made by the rules of the sources that are named here. Held against those sources' own code
once: its compiler gives our pipeline these names of tasks and templates, Argo's controller these
names of nodes, and its converter makes of these workflows the tasks, names of pods and keys of logs
that `tests.pipelines.cluster.kfp_server` gives.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

BEGAN = datetime(2026, 12, 1, 2, 30, tzinfo=timezone.utc)
NAME = "emotion-retraining-x7k2p"
SCHEDULER = "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
DEADLINE_SECONDS = 23 * 3600
DAY = 24 * 3600

# The groups of tasks that a step stands in; the report is the exit hook of the first.
HANDLER = ("root", "exit-handler-1")
NIGHT = (*HANDLER, "night", "condition-new-work")
RETRAIN = (*NIGHT, "retrain", "condition-valid-data")
GROUPS = {
    "resolve": HANDLER,
    "ingest": NIGHT,
    "validate": NIGHT,
    "resample": RETRAIN,
    "train": RETRAIN,
    "evaluate": RETRAIN,
    "check-serving": RETRAIN,
    "gate": RETRAIN,
    "deploy": (*RETRAIN, "promote", "condition-blessed"),
    "report": (*HANDLER, "onExit"),
}


@dataclass(frozen=True)
class Attempt:
    """One pod of a step.

    Its phase, how long it took or None where it goes on, and Argo's message.
    """

    phase: str = "Succeeded"
    seconds: int | None = 60
    message: str = ""


PENDING = Attempt("Pending", None, SCHEDULER)
RUNNING = Attempt("Running", None)
LOST = Attempt("Error", 40, "pod deleted")
FAILED = Attempt("Failed", 30, "Error (exit code 1)")


class RecordedRun:
    """The workflow of a run, step after step.

    Each template has a retry strategy (``templateDefaults`` of
    manifests/kustomize/third-party/argo/base/workflow-controller-configmap- patch.yaml), so each
    task is a node of type Retry, whose attempts are nodes named TASK(0), TASK(1) (executeTemplate
    in workflow/controller/operator.go). A container's task is a graph "STEP" that holds the task
    "executor"; "STEP-driver" comes before it (backend/src/v2/compiler/argocompiler/dag.go,
    container.go). The exit handler's task is "GROUP.onExit" (exit_handler.go).
    """

    def __init__(self, began: datetime = BEGAN) -> None:
        self.now = began
        self.workflow: dict[str, Any] = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": NAME,
                "namespace": "kubeflow",
                "creationTimestamp": _text(began),
                "annotations": {"workflows.argoproj.io/pod-name-format": "v2"},
            },
            "spec": {
                "activeDeadlineSeconds": DEADLINE_SECONDS,
                "ttlStrategy": {
                    "secondsAfterCompletion": 3600,
                    "secondsAfterSuccess": 7 * DAY,
                    "secondsAfterFailure": 30 * DAY,
                },
            },
            "status": {
                "phase": "Running",
                "startedAt": _text(began),
                "finishedAt": None,
                "nodes": {},
            },
        }
        self.nodes: dict[str, Any] = self.workflow["status"]["nodes"]
        self._task(f"{NAME}", "DAG", "entrypoint")
        self._driver(f"{NAME}(0)", "root", "system-dag-driver")

    def step(
        self,
        name: str,
        *attempts: Attempt,
        cached: bool = False,
        driver: Attempt | None = None,
        message: str = "",
    ) -> RecordedRun:
        """Add a step: its driver, then its attempts; without any it succeeds at once.

        ``message`` is the Retry node's.
        """
        group = self._group(GROUPS[name])
        self._driver(group, name, "system-container-driver", driver or Attempt(seconds=10))
        if driver is not None and driver.phase != "Succeeded":
            if driver.phase == "Failed":
                self._add(
                    f"{group}.{name}",
                    "Skipped",
                    "Omitted",
                    "",
                    "omitted: depends condition not met",
                    0,
                )
            return self
        pods = () if cached else attempts or (Attempt(),)
        phase = _phase_of(pods)
        self._task(f"{group}.{name}", "DAG", "metadata-0-2-retry-system-container-executor", phase)
        executor = f"{group}.{name}(0).executor"
        if cached:
            self._add(executor, "Skipped", "Skipped", "", "when 'true != true' evaluated false", 0)
            return self
        template = "metadata-0-2-retry-system-container-impl"
        self._add(executor, "Retry", phase, template, message, None)
        for number, attempt in enumerate(pods):
            self._add(
                f"{executor}({number})",
                "Pod",
                attempt.phase,
                template,
                attempt.message,
                attempt.seconds,
            )
        return self

    def skipped(self, name: str) -> RecordedRun:
        """Add a step whose turn never came, since an earlier one failed (executeDAGTask in workflow/controller/dag.go)."""
        path = f"{self._group(GROUPS[name])}.{name}"
        self._add(path, "Skipped", "Omitted", "", "omitted: depends condition not met", 0)
        return self

    def ended(self, phase: str = "Succeeded", message: str = "") -> RecordedRun:
        """The workflow has ended, and with it every group."""
        status = self.workflow["status"]
        status |= {"phase": phase, "finishedAt": _text(self.now)} | (
            {"message": message} if message else {}
        )
        for node in self.nodes.values():
            if node["phase"] == "Running" and node["type"] != "Pod":
                node |= {"phase": phase, "finishedAt": _text(self.now)}
        return self

    def stopped(self, *, report: bool = False) -> RecordedRun:
        """Somebody ended the run.

        Its deadline became 0 seconds (TerminateWorkflow in apiserver/resource/resource_manager.go).

        Args:
            report: whether the report was written. It is where Argo sees its pods running; a
                pending one fails like the steps'
                (failNodesWithoutCreatedPodsAfterDeadlineOrShutdown in
                workflow/controller/operator.go).
        """
        self.workflow["spec"]["activeDeadlineSeconds"] = 0
        for node in self.nodes.values():
            if node["type"] == "Pod" and node["phase"] in ("Pending", "Running"):
                node |= {
                    "phase": "Failed",
                    "message": "Step exceeded its deadline",
                    "finishedAt": _text(self.now),
                }
        if report:
            self.step("report")
        else:
            self.step("report", driver=Attempt("Failed", 5, "Step exceeded its deadline"))
        return self.ended(
            "Failed", f"retry exceeded workflow deadline {BEGAN:%Y-%m-%d %H:%M:%S} +0000 UTC"
        )

    def manifest(self, *, compressed: bool = False) -> dict[str, Any]:
        """The workflow as it is stored.

        From 1 MiB on with its nodes compressed (workflow/packer/packer.go, util/file/fileutil.go).
        """
        stored = copy.deepcopy(self.workflow)
        if compressed:
            packed = gzip.compress(json.dumps(stored["status"].pop("nodes")).encode())
            stored["status"]["compressedNodes"] = base64.b64encode(packed).decode()
        return stored

    def pod(self, step: str, attempt: int = 0) -> str:
        """The name of a step's pod (workflow/util/pod_name.go)."""
        (node,) = [
            node
            for node in self.nodes.values()
            if node["name"].endswith(f".{step}(0).executor({attempt})")
        ]
        return f"{NAME}-{node['templateName']}-{_hash(node['name'])}"

    def log_key(self, step: str, attempt: int = 0) -> str:
        return f"private-artifacts/kubeflow/{NAME}/2026/12/01/{self.pod(step, attempt)}/main.log"

    def _group(self, groups: tuple[str, ...]) -> str:
        path = f"{NAME}(0)"
        for group in groups:
            path = f"{path}.{group}" if group != "onExit" else f"{path.removesuffix('(0)')}.onExit"
            if _id(path) not in self.nodes:
                if group not in ("root", "onExit"):
                    self._driver(path.rpartition(".")[0], group, "system-dag-driver")
                self._task(path, "DAG", group)
            path += "(0)"
        return path

    def _driver(
        self, group: str, task: str, template: str, attempt: Attempt = Attempt(seconds=10)
    ) -> None:
        name = f"{group}.{task}-driver"
        self._add(
            name,
            "Retry",
            attempt.phase if attempt.phase != "Pending" else "Running",
            template,
            "",
            None,
        )
        self._add(f"{name}(0)", "Pod", attempt.phase, template, attempt.message, attempt.seconds)

    def _task(self, name: str, kind: str, template: str, phase: str = "Running") -> None:
        self._add(name, "Retry", phase, template, "", None)
        self._add(f"{name}(0)", kind, phase, template, "", None)

    def _add(
        self, name: str, kind: str, phase: str, template: str, message: str, seconds: int | None
    ) -> None:
        """Add a node (initializeNode in workflow/controller/operator.go).

        A pod that ended archived its log.
        """
        boundary = name.rpartition(".")[0]
        if name.rpartition(".")[2].startswith("onExit"):
            boundary = boundary.rpartition(".")[0]
        node: dict[str, Any] = {
            "id": _id(name),
            "name": name,
            "displayName": name.removeprefix(f"{boundary}."),
            "type": kind,
            "templateName": template,
            "phase": phase,
            "startedAt": _text(self.now),
            "finishedAt": None,
            "boundaryID": _id(boundary) if boundary else "",
        }
        if seconds is not None:
            self.now += timedelta(seconds=seconds)
        if phase not in ("Pending", "Running"):
            node["finishedAt"] = _text(self.now)
        if message:
            node["message"] = message
        if kind == "Pod" and phase in ("Succeeded", "Failed"):
            pod = f"{NAME}-{template}-{_hash(name)}"
            key = f"private-artifacts/kubeflow/{NAME}/2026/12/01/{pod}/main.log"
            node["outputs"] = {
                "exitCode": "0" if phase == "Succeeded" else "1",
                "artifacts": [{"name": "main-logs", "s3": {"key": key}}],
            }
        self.nodes[node["id"]] = node
        if boundary and _id(boundary) in self.nodes:
            self.nodes[_id(boundary)].setdefault("children", []).append(node["id"])


def _phase_of(pods: tuple[Attempt, ...]) -> str:
    if not pods:
        return "Succeeded"
    return "Running" if pods[-1].phase in ("Pending", "Running") else pods[-1].phase


def _id(name: str) -> str:
    """NodeID in pkg/apis/workflow/v1alpha1/workflow_types.go."""
    return name if name == NAME else f"{NAME}-{_hash(name)}"


def _hash(name: str) -> int:
    """FNV-1a of 32 bits."""
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
