"""Rollouts that a person starts, as runs of a pipeline of one step.

A rollout sends golden images to addresses that only the cluster knows, so it is driven in a pod. A
run of Kubeflow Pipelines, not a Job of Kubernetes, makes that pod: whoever may submit a night may
start one, with ``--host`` alone and no kubeconfig; it has the night's service account, image, pull
secret, mounts and labels, so the rights and network policies of the deploy step hold for it; and it
stays in the UI as the record of who moved the traffic. The run carries its pipeline with it (no
version is uploaded), is never retried from a cache, and Argo removes its pod after an hour (a week
where it failed).
"""

import re
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import kfp_server_api
from kfp import compiler, dsl

from components.deployment.component import COMMAND, IMAGE
from components.shared.errors import InputError
from components.shared.preset import Preset
from components.shared.serialization import to_json
from components.shared.store.interface import claim_of
from pipelines import code_version
from pipelines.cluster import publish, status
from pipelines.cluster.client import Kubeflow, MissingLogError, speaking
from pipelines.cluster.workflows import EXECUTOR, read_workflow
from pipelines.resources import HOUR, Cluster

EXPERIMENT = "rollouts"
STEP = "deploy"  # whose resources, secrets and labels the step has
STORES = ("gs://", "s3://", "pvc://")
POLL_SECONDS = 5.0
_PIPELINE = dsl.PipelineConfig(
    ttl_seconds_after_success=HOUR,
    ttl_seconds_after_failure=7 * 24 * HOUR,
    active_deadline_seconds=3 * HOUR,
)
# Lines of Kubeflow's launcher (glog) and of Argo's executor, which share the log with the command.
_FOREIGN = re.compile(r'[IWEF]\d{4} \d\d:\d\d:\d\d|time="?\d{4}-')
# The launcher ends with 1 whatever its command ended with, and says with what (KFP 2.17.0:
# backend/src/v2/component/launcher_v2.go).
_EXIT_STATUS = re.compile(r"failed to execute component: .*?exit status (\d+)")


@dataclass(frozen=True)
class Task:
    """One command of `python -m components.deployment rollout`, for a pod.

    Attributes:
        words: the command and its flags, such as ``resume`` and ``--again``. parameters: of the
            run, by name.
        model: whose traffic is moved; empty where the command finds the only one there is.
            namespace: of its InferenceService.
        preset: name of the one that is started by; else empty.
    """

    words: tuple[str, ...]
    parameters: dict[str, str]
    model: str
    namespace: str
    preset: str = ""


def start(preset: Preset, store: str, serving_image: str = "") -> Task:
    """Bring the champion of a preset's model to the traffic. Raises InputError."""
    _require_reachable(store)
    return Task(
        ("start",),
        {"preset": to_json(preset), "store": store, "serving_image": serving_image},
        preset.model_name,
        preset.serving.namespace,
        preset.name,
    )


def steer(words: tuple[str, ...], model: str, namespace: str, store: str) -> Task:
    """Continue a rollout (``resume``) or send its traffic back (``abort``). Raises InputError."""
    _require_reachable(store)
    return Task(words, {"model": model, "namespace": namespace, "store": store}, model, namespace)


def plan(task: Task, service_account: str) -> str:
    """Return what a pod would do, for a person without a cluster at hand."""
    preset = {"preset": f"({task.preset})"} if task.preset else {}
    line = shlex.join([*COMMAND, *_arguments(task.words, {**task.parameters, **preset})])
    return (
        f"a pod of the cluster, with the image {IMAGE} and the service account {service_account},"
        f" would run\n  {line}"
    )


def compiled(task: Task, registry: str) -> str:
    """Return the pipeline of a task, with the image that a cluster pulls.

    Raises InputError where nothing says where that is.
    """
    tag = code_version.image_references("")[IMAGE]
    image = publish.pinned({IMAGE: tag}, publish.recorded(publish.RECORD), registry)[IMAGE]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rollout.yaml"
        compiler.Compiler().compile(_pipeline(task, image), str(path))
        return path.read_text()


def begin(client: Kubeflow, task: Task, text: str, service_account: str) -> tuple[Any, bool]:
    """Start a task's run, or find the one that does the same and hasn't ended.

    Returns it, and whether it was started.

    Args:
        text: the task's pipeline, as `compiled` gives it.
    """
    with speaking(client.host), tempfile.TemporaryDirectory() as folder:
        experiment = publish.ensure_experiment(client, EXPERIMENT)
        prefix = "-".join(filter(None, ("rollout", task.words[0], task.model)))
        for run in status.latest_runs(client, experiment, count=20):
            parameters = (run.runtime_config.parameters if run.runtime_config else None) or {}
            if (
                run.state not in status.ENDED
                and run.display_name.startswith(prefix)
                and parameters == task.parameters
            ):
                return run, False
        path = Path(folder) / "rollout.yaml"
        path.write_text(text)
        name = f"{prefix}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
        run = client.run_pipeline(
            experiment,
            name,
            pipeline_package_path=str(path),
            params=task.parameters,
            service_account=service_account,
            enable_caching=False,
        )
        return run, True


def follow(
    client: Kubeflow,
    run_id: str,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Tell what a task's pods print until its run has ended; the exit code of its command.

    The code is 1 where the run failed and nothing tells the command's own.
    """
    printed: dict[str, int] = {}
    waits, code_of_command = "", 1
    while True:
        with speaking(client.host):
            run = client.get_run(run_id)
            pods = _pods(client, run_id)
            texts = {pod: _log(client, run_id, pod) for pod, _ in pods}
        ended = run.state in status.ENDED
        for pod, text in texts.items():
            lines = text.splitlines() if ended or text.endswith("\n") else text.splitlines()[:-1]
            for line in lines[printed.get(pod, 0) :]:
                exit_status = _EXIT_STATUS.search(line)
                code_of_command = int(exit_status[1]) if exit_status else code_of_command
                if not _FOREIGN.match(line):
                    tell(line)
            printed[pod] = max(len(lines), printed.get(pod, 0))
        why = next((message for pod, message in pods if message and not printed.get(pod)), "")
        if why and why != waits and not ended:
            waits = why
            tell(f"waiting for the pod: {why}")
        if ended:
            if run.state != "SUCCEEDED":
                tell(
                    f"the run {run.display_name} {run.state.lower()}"
                    + (f": {run.error.message}" if run.error and run.error.message else "")
                )
            return 0 if run.state == "SUCCEEDED" else code_of_command
        sleep(POLL_SECONDS)


def _arguments(words: tuple[str, ...], values: Mapping[str, Any]) -> list[Any]:
    """Return what follows ``python -m components.deployment``."""
    command, *flags = words
    if command == "start":
        return [
            "rollout",
            command,
            "--preset",
            values["preset"],
            "--store",
            values["store"],
            "--serving-image",
            values["serving_image"],
        ]
    return [
        "rollout",
        command,
        values["model"],
        "--namespace",
        values["namespace"],
        "--store",
        values["store"],
        *flags,
    ]


def _pipeline(task: Task, image: str) -> Any:
    """One step, named as the step of a night whose needs and rights it has."""
    words, cluster = (
        task.words,
        Cluster(claims=tuple(filter(None, [claim_of(task.parameters["store"])]))),
    )
    described = dsl.pipeline(
        name="emotion-rollout",
        description=f"A person asked to {' '.join(words)} a rollout.",
        pipeline_config=_PIPELINE,
    )

    def container(**values: Any) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image, command=COMMAND, args=_arguments(words, values))

    def placed(step: Any) -> None:
        cluster.place(step).set_caching_options(enable_caching=False)

    if words[0] == "start":

        @dsl.container_component
        def deploy(preset: str, store: str, serving_image: str):  # type: ignore[no-untyped-def]
            return container(preset=preset, store=store, serving_image=serving_image)

        @described
        def rollout(preset: str, store: str, serving_image: str) -> None:
            placed(deploy(preset=preset, store=store, serving_image=serving_image))

    else:

        @dsl.container_component
        def deploy(model: str, namespace: str, store: str):  # type: ignore[no-untyped-def]
            return container(model=model, namespace=namespace, store=store)

        @described
        def rollout(model: str, namespace: str, store: str) -> None:
            placed(deploy(model=model, namespace=namespace, store=store))

    return rollout


def _pods(client: Kubeflow, run_id: str) -> list[tuple[str, str]]:
    """Pod of each attempt of the step, the earliest first, and why it waits or failed."""
    workflow = read_workflow(client.manifest(run_id))
    return (
        [
            (node.pod, node.message)
            for node in workflow.nodes
            if node.pod and node.path[-1] == EXECUTOR
        ]
        if workflow
        else []
    )


def _log(client: Kubeflow, run_id: str, pod: str) -> str:
    """Return what a pod printed so far; empty where it hasn't begun, or is gone."""
    try:
        return client.log(run_id, pod)
    except MissingLogError:
        return ""
    except kfp_server_api.ApiException as error:
        if error.status in (401, 403):
            raise
        return ""


def _require_reachable(store: str) -> None:
    if not re.match(f"({'|'.join(STORES)}).", store):
        raise InputError(
            f"the pods of a cluster can't reach the store {store}",
            expected=f"--store {' or '.join(f'{scheme}…' for scheme in STORES)}",
            fix="name the store that the cluster's nights write to",
        )
    claim_of(store)
