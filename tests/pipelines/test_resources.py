"""The table of resources against the compiled YAML, read without the code that wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl, kubernetes

from components.deployment.__main__ import SIGNING_KEY_FILE
from components.reporting.component import WEBHOOK_FILE
from components.shared.preset import RolloutPolicy
from components.shared.retry import Retry
from pipelines import presets, resources
from pipelines.code_version import COMPONENTS
from pipelines.compiler import compile_pipeline
from pipelines.resources import TASKS, Cluster, Resources, Secret, tasks_for

PLACEHOLDERS = {
    f"emotion-{name}": f"registry.example/emotion-{name}:placeholder" for name in COMPONENTS
}
LARGE = tasks_for("gpu", gpus=True)
CHANGES: dict[str, Any] = {
    "cpu": "3",
    "cpu_limit": "7",
    "memory": "5G",
    "gpus": 2,
    "shared_memory": "3G",
    "retries": 9,
    "timeout_seconds": 77,
    "secrets": (Secret("other", "/elsewhere", {"OTHER": "file"}),),
}


@pytest.fixture(scope="module")
def compiled() -> tuple[Any, Any]:
    pipeline, platform = yaml.safe_load_all(compile_pipeline(PLACEHOLDERS, Cluster(LARGE, "gpu")))
    return pipeline, platform["platforms"]["kubernetes"]


def differences(compiled: tuple[Any, Any], table: Mapping[str, Resources]) -> set[str]:
    """Names of tasks whose YAML isn't what the table says."""
    pipeline, kubernetes = compiled
    dags = [
        pipeline["root"]["dag"],
        *(part["dag"] for part in pipeline["components"].values() if "dag" in part),
    ]
    tasks = {
        name: task for dag in dags for name, task in dag["tasks"].items() if "retryPolicy" in task
    }
    containers = {
        name: executor["container"]
        for name, executor in pipeline["deploymentSpec"]["executors"].items()
    }
    platform = kubernetes["deploymentSpec"]["executors"]
    assert set(tasks) == set(table)
    return {
        step
        for step, wants in table.items()
        if (
            _of_task(tasks[step]),
            _of_container(containers[f"exec-{step}"]),
            platform[f"exec-{step}"],
        )
        != (_wanted_task(wants), _wanted_container(wants), _wanted_platform(step, wants))
    }


def _of_task(task: Mapping[str, Any]) -> Any:
    return task["retryPolicy"], task["cachingOptions"].get("enableCache", False)


def _wanted_task(wants: Resources) -> Any:
    policy = {
        "maxRetryCount": wants.retries,
        "backoffDuration": "30s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "82800s",
    }
    return policy, wants.caching


def _of_container(container: Mapping[str, Any]) -> Any:
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment.pop("EMOTION_IMAGE") == container["image"]
    told = json.loads(environment.pop("EMOTION_RESOURCES"))
    wanted = {
        name: value for name, value in container["resources"].items() if name.startswith("resource")
    }
    accelerator = container["resources"].get("accelerator", {})
    return (
        told,
        wanted,
        accelerator.get("resourceType"),
        accelerator.get("resourceCount"),
        environment,
    )


def _wanted_container(wants: Resources) -> Any:
    gpu = ("nvidia.com/gpu", str(wants.gpus)) if wants.gpus else (None, None)
    told = {
        "cpu": float(wants.cpu),
        "memory_gb": float(wants.memory[:-1]),
        "gpus": wants.gpus,
        "gpu": gpu[0] or "",
        "spot": wants.spot,
    }
    asked = {
        "resourceCpuRequest": wants.cpu,
        "resourceCpuLimit": wants.cpu_limit,
        "resourceMemoryRequest": wants.memory,
        "resourceMemoryLimit": wants.memory,
    }
    return (
        told,
        asked,
        *gpu,
        {name: value for secret in wants.secrets for name, value in secret.environment.items()},
    )


def _wanted_platform(step: str, wants: Resources) -> dict[str, Any]:
    tolerations = (
        [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        if wants.gpus
        else []
    )
    if wants.spot:
        tolerations.append(
            {
                "key": "cloud.google.com/gke-spot",
                "operator": "Equal",
                "value": "true",
                "effect": "NoSchedule",
            }
        )
    wanted: dict[str, Any] = {
        "activeDeadlineSeconds": str(wants.timeout_seconds),
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecret": [
            {"secretName": "emotion-registry", "secretNameParameter": _constant("emotion-registry")}
        ],
        "securityContext": {"runAsUser": "65532", "runAsGroup": "65532", "runAsNonRoot": True},
        "podMetadata": {
            "labels": {
                "app.kubernetes.io/part-of": "emotion-retraining",
                "app.kubernetes.io/component": step,
            }
        },
        "fieldPathAsEnv": [{"name": "EMOTION_POD", "fieldPath": "metadata.name"}],
        "secretAsVolume": [
            {
                "secretName": one.name,
                "mountPath": one.path,
                "optional": True,
                "secretNameParameter": _constant(one.name),
            }
            for one in wants.secrets
        ],
    }
    if tolerations:
        wanted["tolerations"] = tolerations
    if wants.gpus:
        wanted["nodeSelector"] = {"labels": {"emotion/pool": "gpu"}}
    if wants.shared_memory:
        volume = {
            "volumeName": "shared-memory",
            "mountPath": "/dev/shm",
            "medium": "Memory",
            "sizeLimit": wants.shared_memory,
        }
        wanted["emptyDirMounts"] = [volume]
    return wanted


def _constant(value: str) -> dict[str, Any]:
    return {"runtimeValue": {"constant": value}}


def test_the_yaml_holds_every_row_of_the_table(compiled: tuple[Any, Any]) -> None:
    assert differences(compiled, LARGE) == set()
    assert differences(compiled, TASKS) == {
        "ingest",
        "validate",
        "train",
        "evaluate",
        "check-serving",
    }


def test_the_pipeline_of_the_drawn_faces_fits_a_laptop() -> None:
    """No task asks for more than 2 CPUs, 3 GB or a GPU."""
    assert presets.preset(presets.DEFAULT).training.device == "cpu"
    for row in tasks_for("cpu", gpus=False).values():
        assert (float(row.cpu) <= 2, float(row.memory.removesuffix("G")) <= 3, row.gpus) == (
            True,
            True,
            0,
        )


@pytest.mark.parametrize("step", LARGE)
def test_no_setting_can_change_unseen(compiled: tuple[Any, Any], step: str) -> None:
    for field in fields(Resources):
        standing = getattr(LARGE[step], field.name)
        other = not standing if isinstance(standing, bool) else CHANGES[field.name]
        assert differences(
            compiled, {**LARGE, step: replace(LARGE[step], **{field.name: other})}
        ) == {step}, field.name


def test_a_claim_is_mounted_as_kfp_does_in_every_task_and_nothing_else_changes(
    tmp_path: Path,
) -> None:
    @dsl.container_component
    def step():  # type: ignore[no-untyped-def]  # kfp reads annotations themselves, not their text
        return dsl.ContainerSpec(image="image")

    @dsl.pipeline
    def toy():  # type: ignore[no-untyped-def]
        task = step()
        for claim in ("faces", "other"):
            kubernetes.mount_pvc(task, claim, f"/mnt/emotion/{claim}")

    compiler.Compiler().compile(toy, str(tmp_path / "toy.yaml"))
    (wanted,) = executors((tmp_path / "toy.yaml").read_text()).values()
    plain = compile_pipeline(PLACEHOLDERS, Cluster())
    mounted = compile_pipeline(PLACEHOLDERS, Cluster(claims=("other", "faces", "faces")))
    assert set(executors(mounted)) == {f"exec-{step}" for step in TASKS}
    assert executors(mounted) == {
        name: {**given, "pvcMount": wanted["pvcMount"]} for name, given in executors(plain).items()
    }
    assert next(iter(yaml.safe_load_all(mounted))) == next(iter(yaml.safe_load_all(plain)))
    assert not any("pvcMount" in given for given in executors(plain).values())


def executors(compiled: str) -> dict[str, Any]:
    """What Kubernetes is told of each container."""
    _, platform = yaml.safe_load_all(compiled)
    found: dict[str, Any] = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return found


def test_the_run_ends_by_itself_and_is_cleared_away(compiled: tuple[Any, Any]) -> None:
    _, kubernetes = compiled
    told = kubernetes["pipelineConfig"]
    assert told["resourceTtlOnSuccess"] == resources.RUN.ttl_seconds_after_success
    assert told["resourceTtlOnFailure"] == resources.RUN.ttl_seconds_after_failure
    assert told["activeDeadlineSeconds"] == resources.RUN.active_deadline_seconds


def test_a_run_that_only_takes_long_is_never_cut_off_before_its_report() -> None:
    longest = sum(
        task.timeout_seconds for step, task in TASKS.items() if step != "register"
    )  # of register and deploy one runs
    assert longest < (resources.RUN.active_deadline_seconds or 0) < 24 * resources.HOUR


def test_deploying_may_take_as_long_as_a_rollout_drives() -> None:
    policies = [preset.serving.rollout or RolloutPolicy() for preset in presets.PRESETS.values()]
    assert TASKS["deploy"].timeout_seconds > max(policy.drive_seconds for policy in policies)


def test_a_lost_pod_is_started_again_however_long_it_ran(compiled: tuple[Any, Any]) -> None:
    """Argo counts the longest duration of the backoff from the first attempt, and ends what runs then."""
    pipeline, _ = compiled
    dags = [
        pipeline["root"]["dag"],
        *(part["dag"] for part in pipeline["components"].values() if "dag" in part),
    ]
    policies = [
        task["retryPolicy"]
        for dag in dags
        for task in dag["tasks"].values()
        if "retryPolicy" in task
    ]
    assert {int(policy["backoffMaxDuration"].removesuffix("s")) for policy in policies} == {
        resources.RUN.active_deadline_seconds
    }
    assert all(wants.retries for wants in TASKS.values())
    for step, wants in TASKS.items():
        waits = sum(
            resources.BACKOFF_SECONDS * resources.BACKOFF_FACTOR**n for n in range(wants.retries)
        )
        assert 2 * wants.timeout_seconds + waits < (resources.RUN.active_deadline_seconds or 0), (
            step
        )


def test_a_step_that_waits_for_its_store_says_so_before_its_time_is_up() -> None:
    """Once for its work and once for the record of the failure."""
    assert all(2 * Retry().deadline_seconds < task.timeout_seconds for task in TASKS.values())


def test_only_what_may_be_lost_runs_on_spot_nodes_and_it_is_retried() -> None:
    assert not any(TASKS[step].spot for step in ("resolve", "gate", "register", "deploy", "report"))
    assert all(task.retries >= 3 for task in TASKS.values() if task.spot)


def test_a_secret_never_travels_as_a_parameter(compiled: tuple[Any, Any]) -> None:
    pipeline, _ = compiled
    parameters = set(pipeline["root"]["inputDefinitions"]["parameters"])
    assert parameters == {"preset", "source", "store", "run_id", "code_version", "force"}
    assert resources.NOTIFICATION.path == WEBHOOK_FILE.rpartition("/")[0]
    assert resources.SIGNING.path == SIGNING_KEY_FILE.rpartition("/")[0]
