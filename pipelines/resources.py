"""What each task and the whole run get on a cluster, in one table.

Locally only the caching column counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from kfp import dsl, kubernetes

from components.reporting.component import WEBHOOK_FILE
from components.shared.steps import TITLES
from components.shared.store.interface import CLAIMS

GPU_RESOURCE = "nvidia.com/gpu"
GPU_POOL = ("emotion/pool", "gpu")
SPOT_TAINT = ("cloud.google.com/gke-spot", "true")

# The user that the images are made for.
USER = 65532
PULL_POLICY = "IfNotPresent"  # tags are digests of the content
PULL_SECRET = "emotion-registry"  # noqa: S105 - the name of one; a cluster whose nodes may pull without it needs none
LABELS = {"app.kubernetes.io/part-of": "emotion-retraining"}
STEP_LABEL = "app.kubernetes.io/component"
SERVICE_ACCOUNT = "emotion-run"  # of the whole run: there is none per task

MINUTE = 60
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Secret:
    """A Kubernetes secret whose keys become files; a cluster without it runs all the same.

    Attributes:
        path: folder that they are mounted in. environment: variables that say where a library finds
            its file.
    """

    name: str
    path: str
    environment: dict[str, str] = field(default_factory=dict)


_BUCKET = "/var/run/secrets/emotion/object-store"
_KAGGLE = "/var/run/secrets/emotion/kaggle"
# Only for s3://: workload identity opens gs://. The files are those of every AWS client, so
# `config` may name an endpoint.
OBJECT_STORE = Secret(
    "emotion-object-store",
    _BUCKET,
    {
        "AWS_SHARED_CREDENTIALS_FILE": f"{_BUCKET}/credentials",
        "AWS_CONFIG_FILE": f"{_BUCKET}/config",
    },
)
KAGGLE = Secret("emotion-kaggle", _KAGGLE, {"KAGGLE_CONFIG_DIR": _KAGGLE})
SIGNING = Secret("emotion-signing", "/var/run/secrets/emotion/signing")
NOTIFICATION = Secret("emotion-notification", str(PurePosixPath(WEBHOOK_FILE).parent))


@dataclass(frozen=True)
class Resources:
    """One task's needs.

    Attributes:
        cpu, memory: what it is promised, in Kubernetes units. cpu_limit: what it may take; of
            memory it is the same.
        gpus: of the training pool, whose nodes carry `GPU_POOL` and are tainted with
            `GPU_RESOURCE`.
        shared_memory: size of /dev/shm, kept in memory and part of ``memory``; empty for the
            container runtime's 64 MB.
        spot: may run on nodes that can be taken away. A pod that is gone with its node is started
            again; one that a node ended while it shut down in order has failed, and a later night
            on the same data goes on from its checkpoint.
        retries: how often Argo starts a lost pod again (deleted, drained, preempted, gone with its
            node), after 30 s, then twice as long each time; a step can be run again at any time. Of
            a step that ends by itself Argo starts none again: what passes is repeated inside the
                step. `components.shared.retry` says which fault is repeated by whom.
        timeout_seconds: of one attempt.
        caching: False for what must look at the world each time.
    """

    cpu: str = "1"
    cpu_limit: str = "2"
    memory: str = "2G"
    gpus: int = 0
    shared_memory: str = ""
    spot: bool = False
    retries: int = 1
    timeout_seconds: int = HOUR
    caching: bool = True
    secrets: tuple[Secret, ...] = (OBJECT_STORE,)

    def recorded(self) -> str:
        """Return what the evidence of the step says about itself, as JSON.

        The cost of a night is reckoned from it.
        """
        figures = {
            "cpu": float(self.cpu),
            "memory_gb": float(self.memory.removesuffix("G")),
            "spot": self.spot,
        }
        return json.dumps(
            {**figures, "gpus": self.gpus, "gpu": GPU_RESOURCE if self.gpus else ""}, sort_keys=True
        )


# Sizes of a preset that trains on CPUs: no task asks for more than 2 CPUs and 3 GB, so the pipeline
# fits a cluster on a laptop.
TASKS: dict[str, Resources] = {
    "resolve": Resources(memory="1G", retries=2, caching=False, secrets=(OBJECT_STORE, KAGGLE)),
    "ingest": Resources(
        cpu="2",
        cpu_limit="4",
        memory="3G",
        spot=True,
        retries=3,
        timeout_seconds=3 * HOUR,
        secrets=(OBJECT_STORE, KAGGLE),
    ),
    "validate": Resources(memory="3G", spot=True, retries=3),
    "resample": Resources(memory="1G", spot=True, retries=3, timeout_seconds=30 * MINUTE),
    "train": Resources(
        cpu="2", cpu_limit="4", memory="3G", spot=True, retries=6, timeout_seconds=8 * HOUR
    ),
    "evaluate": Resources(cpu="2", cpu_limit="4", memory="3G", spot=True, retries=3),
    "check-serving": Resources(
        cpu="2", memory="3G", spot=True, retries=3, timeout_seconds=30 * MINUTE
    ),
    "gate": Resources(memory="1G", retries=2, timeout_seconds=30 * MINUTE),
    "register": Resources(
        memory="1G",
        retries=2,
        timeout_seconds=30 * MINUTE,
        secrets=(OBJECT_STORE, SIGNING),
    ),
    "deploy": Resources(
        memory="1G", retries=2, timeout_seconds=2 * HOUR, secrets=(OBJECT_STORE, SIGNING)
    ),
    "report": Resources(
        retries=2,
        timeout_seconds=30 * MINUTE,
        caching=False,
        secrets=(OBJECT_STORE, NOTIFICATION),
    ),
}
_LARGE = {"ingest": "4G", "validate": "4G", "evaluate": "4G", "check-serving": "4G"}

BACKOFF_SECONDS = 30
BACKOFF_FACTOR = 2.0
# Not a bound on one wait: so long after the first attempt began Argo starts no other, and ends the
# pod of one that is under way (`Backoff.MaxDuration` in Argo Workflows 4.0.5,
# workflow/controller/operator.go). As long as the whole run.
BACKOFF_MAX_SECONDS = 23 * HOUR

# The whole run. The deadline ends a run without its report, so it stands above the sum of the
# tasks' timeouts, and below a day: the next night waits for this one. What is done is kept for a
# week, what failed for a month.
RUN = dsl.PipelineConfig(
    ttl_seconds_after_success=7 * 24 * HOUR,
    ttl_seconds_after_failure=30 * 24 * HOUR,
    active_deadline_seconds=BACKOFF_MAX_SECONDS,
)


def tasks_for(device: str, *, gpus: bool) -> dict[str, Resources]:
    """Return what each task gets for presets that train on a device.

    Args:
        device: of the preset, cpu or gpu. gpus: False where the cluster has none: a preset for GPUs
            then trains on any large node.
    """
    if device == "cpu":
        return TASKS
    train = replace(
        TASKS["train"], cpu="4", cpu_limit="8", memory="16G", gpus=int(gpus), shared_memory="4G"
    )
    return {
        **TASKS,
        **{step: replace(TASKS[step], memory=memory) for step, memory in _LARGE.items()},
        "train": train,
    }


@dataclass(frozen=True)
class Cluster:
    """What the pipeline is compiled for.

    Attributes:
        tasks: what each step gets. device: whose sizes these are; `resolve` refuses a preset that
            needs more.
        claims: PersistentVolumeClaims that hold the store or data, mounted in every task: each step
            opens the store.
        preset, source, store, code_version: defaults of the pipeline's parameters, which a form in
            the UI shows.
    """

    tasks: Mapping[str, Resources] = field(default_factory=lambda: TASKS)
    device: str = "cpu"
    claims: tuple[str, ...] = ()
    preset: str = ""
    source: str = ""
    store: str = ""
    code_version: str = ""

    def place(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        """Give a task what the table says, and return it."""
        step = task.name.rstrip("-0123456789")
        _place(task, step, self.tasks[step])
        for claim in sorted(set(self.claims)):
            kubernetes.mount_pvc(task, claim, str(CLAIMS / claim))
        return task


def _place(task: dsl.PipelineTask, step: str, wants: Resources) -> None:
    task.set_display_name(TITLES[step])
    task.set_cpu_request(wants.cpu).set_cpu_limit(wants.cpu_limit)
    task.set_memory_request(wants.memory).set_memory_limit(wants.memory)
    task.set_caching_options(enable_caching=wants.caching)
    task.set_retry(wants.retries, f"{BACKOFF_SECONDS}s", BACKOFF_FACTOR, f"{BACKOFF_MAX_SECONDS}s")
    task.set_env_variable(
        "EMOTION_IMAGE", task.container_spec.image
    )  # evidence records these two and the pod's name
    task.set_env_variable("EMOTION_RESOURCES", wants.recorded())
    kubernetes.use_field_path_as_env(task, "EMOTION_POD", "metadata.name")
    kubernetes.set_timeout(task, wants.timeout_seconds)
    kubernetes.set_image_pull_policy(task, PULL_POLICY)
    kubernetes.set_image_pull_secrets(task, [PULL_SECRET])
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
    for key, value in {**LABELS, STEP_LABEL: step}.items():
        kubernetes.add_pod_label(task, key, value)
    for secret in wants.secrets:
        kubernetes.use_secret_as_volume(task, secret.name, secret.path, optional=True)
        for name, value in secret.environment.items():
            task.set_env_variable(name, value)
    _choose_nodes(task, wants)


def _choose_nodes(task: dsl.PipelineTask, wants: Resources) -> None:
    if wants.gpus:
        task.set_accelerator_type(GPU_RESOURCE).set_accelerator_limit(wants.gpus)
        kubernetes.add_node_selector(task, *GPU_POOL)
        kubernetes.add_toleration(task, key=GPU_RESOURCE, operator="Exists", effect="NoSchedule")
    if wants.spot:
        kubernetes.add_toleration(
            task, key=SPOT_TAINT[0], operator="Equal", value=SPOT_TAINT[1], effect="NoSchedule"
        )
    if wants.shared_memory:
        kubernetes.empty_dir_mount(
            task,
            "shared-memory",
            "/dev/shm",  # noqa: S108 - the pod's own
            medium="Memory",
            size_limit=wants.shared_memory,
        )
