"""What each task gets on a cluster, in one table. Locally only the caching column counts."""

from __future__ import annotations

from dataclasses import dataclass

from kfp import dsl, kubernetes


@dataclass(frozen=True)
class Resources:
    """One task's needs.

    Attributes:
        cpu, memory: requests, in Kubernetes units. gpus: of the training node pool.
        retries: of a failed task; a step can be run again at any time.
        caching: False for what must look at the world each time.
    """

    cpu: str = "1"
    memory: str = "2G"
    gpus: int = 0
    retries: int = 1
    caching: bool = True


GPU_RESOURCE = "nvidia.com/gpu"
GPU_POOL_LABEL = ("emotion/pool", "gpu")

TASKS: dict[str, Resources] = {
    "resolve": Resources(memory="1G", caching=False),
    "ingest": Resources(cpu="2", memory="4G"),
    "validate": Resources(memory="4G"),
    "resample": Resources(memory="1G"),
    "train": Resources(cpu="4", memory="16G", gpus=1, retries=3),
    "evaluate": Resources(cpu="2", memory="4G"),
    "check-serving": Resources(cpu="2", memory="4G"),
    "gate": Resources(memory="1G"),
    "register": Resources(memory="1G"),
    "deploy": Resources(memory="1G"),
    "report": Resources(memory="2G", caching=False),
}


def place(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a task what the table says, and return it."""
    wants = TASKS[task.name.rstrip("-0123456789")]
    task.set_cpu_request(wants.cpu).set_memory_request(wants.memory).set_memory_limit(wants.memory)
    task.set_caching_options(enable_caching=wants.caching)
    task.set_env_variable("EMOTION_IMAGE", task.container_spec.image)  # evidence records it
    task.set_retry(num_retries=wants.retries, backoff_duration="30s", backoff_factor=2)
    kubernetes.set_image_pull_policy(task, "IfNotPresent")
    if wants.gpus:
        task.set_accelerator_type(GPU_RESOURCE).set_accelerator_limit(wants.gpus)
        kubernetes.add_node_selector(task, label_key=GPU_POOL_LABEL[0], label_value=GPU_POOL_LABEL[1])
        kubernetes.add_toleration(task, key=GPU_RESOURCE, operator="Exists", effect="NoSchedule")
        kubernetes.empty_dir_mount(task, volume_name="shared-memory", mount_path="/dev/shm", medium="Memory")  # noqa: S108
    return task
