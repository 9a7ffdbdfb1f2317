"""Kubeflow Pipelines whose runs really run.

The one step of a run given with its pipeline, in the environment of its image.

What it tells of a run is as version 2.17.0 tells it: the pod stands in the workflow of v1beta1
alone, the log begins with lines of the launcher, which ends with 1 whatever its command ended with,
and says with what.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.code_version import ROOT
from tests.pipelines.cluster import kfp_server
from tests.pipelines.cluster.kfp_server import KfpServer, Refused

PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}")
RUN_FIELDS = {
    "display_name",
    "description",
    "experiment_id",
    "pipeline_spec",
    "runtime_config",
    "service_account",
}
IMAGE = re.compile(r"registry\.example/emotion-deployment:[0-9a-f]{16}")


class RunningKfp(KfpServer):
    """Its state.

    Attributes:
        environment: variables of a step's process. started: called with a run when its process has
            begun.
    """

    def __init__(self) -> None:
        super().__init__()
        self.environment: dict[str, str] = {}
        self.printed: dict[str, str] = {}
        self.specs: dict[str, dict[str, Any]] = {}
        self.threads: list[threading.Thread] = []
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.started: Callable[[dict[str, Any]], None] = lambda run: None

    def answer(
        self, method: str, path: str, query: dict[str, str], body: bytes, headers: Any
    ) -> Any:
        if match := re.fullmatch(r"/apis/v1beta1/runs/([^/]+)", path):
            self.requests.append((method, path))
            return self._v1(match[1])
        if match := re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path):
            self.requests.append((method, path))
            if match[2] != self._pod(match[1]) or match[1] not in self.printed:
                return '{"error_message":"Failed to read logs","error_details":"NotFound"}'
            return self.printed[match[1]]
        return super().answer(method, path, query, body, headers)

    def _create_run(self, given: dict[str, Any]) -> dict[str, Any]:
        if "pipeline_spec" not in given:
            return super()._create_run(given)
        kfp_server._only(given, RUN_FIELDS)
        self._found(self.experiments, "experiment_id", given.get("experiment_id", ""))
        spec = given["pipeline_spec"]["pipeline_spec"]
        wanted = set(spec["root"]["inputDefinitions"]["parameters"])
        parameters = given["runtime_config"]["parameters"]
        if set(parameters) != wanted:
            raise Refused(400, f"parameters {sorted(parameters)}, not {sorted(wanted)}")
        run = {"run_id": str(uuid.uuid4()), **given, "state": "PENDING", "created_at": self._time()}
        self.runs.append(run)
        self.specs[run["run_id"]] = given["pipeline_spec"]
        self.threads.append(threading.Thread(target=self._execute, args=(run, spec, parameters)))
        self.threads[-1].start()
        return {key: value for key, value in run.items() if key != "pipeline_spec"}

    def _execute(
        self, run: dict[str, Any], spec: dict[str, Any], parameters: dict[str, str]
    ) -> None:
        (executor,) = spec["deploymentSpec"]["executors"].values()
        container = executor["container"]
        assert container["command"] == ["python", "-m", "components.deployment"]
        assert IMAGE.fullmatch(container["image"]), container["image"]
        arguments = [
            PARAMETER.sub(lambda match: parameters[match[1]], word) for word in container["args"]
        ]
        python = ROOT / ".venvs" / "deployment" / "bin" / "python"
        command = [str(python), "-u", "-m", "tests.deployment.rollout.pod", *arguments]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment}
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        run_id = run["run_id"]
        self.processes[run_id] = process
        self.printed[run_id] = (
            "I1201 05:00:00.000001       1 main.go:1] Setting log level to: '1'\n"
        )
        run["state"] = "RUNNING"
        self.started(run)
        with process:
            for line in process.stdout or ():
                self.printed[run_id] += line
        code = process.returncode
        if code:
            told = (
                "F1201 05:00:09.000001       1 main.go:59] failed to execute component: exit"
                f" status {code}\n"
            )
            self.printed[run_id] += (
                told + 'time="2026-12-01T05:00:09.000Z" level=info msg="sub-process exited"\n'
            )
        run["state"] = "FAILED" if code else "SUCCEEDED"

    def _v1(self, run_id: str) -> dict[str, Any]:
        run = self._found(self.runs, "run_id", run_id)
        name, nodes = f"emotion-rollout-{run_id[:5]}", {}
        if run["state"] != "PENDING":
            for number, (path, kind, template) in enumerate(
                [
                    ("", "DAG", "entrypoint"),
                    (".root-driver", "Pod", "system-dag-driver"),
                    (".root.deploy-driver.driver", "Pod", "system-container-driver"),
                    (".root.deploy.executor", "Retry", "retry-system-container-impl"),
                    (".root.deploy.executor(0)", "Pod", "retry-system-container-impl"),
                ]
            ):
                nodes[f"{name}-{number}"] = {
                    "id": f"{name}-{number}",
                    "name": f"{name}{path}",
                    "type": kind,
                    "templateName": template,
                    "phase": "Running",
                }
        manifest = {"metadata": {"name": name, "namespace": "kubeflow"}, "status": {"nodes": nodes}}
        return {
            "run": {"id": run_id},
            "pipeline_runtime": {"workflow_manifest": json.dumps(manifest)},
        }

    def _pod(self, run_id: str) -> str:
        return f"emotion-rollout-{run_id[:5]}-retry-system-container-impl-4"


@contextmanager
def serving() -> Iterator[RunningKfp]:
    """The server on a port of its own, until the end of the block; what still runs is ended."""
    with kfp_server.serving(state=RunningKfp()) as state:
        assert isinstance(state, RunningKfp)
        try:
            yield state
        finally:
            for process in state.processes.values():
                process.kill()
            for thread in state.threads:
                thread.join()
