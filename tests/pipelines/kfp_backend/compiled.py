"""A compiled pipeline as the API server reads it (backend/src/apiserver/template/v2_template.go, NewV2SpecTemplate)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Json = dict[str, Any]
EXIT_STRATEGY = "ALL_UPSTREAM_TASKS_COMPLETED"
UNSUPPORTED_TASK_FIELDS = ("parameterIterator", "artifactIterator", "iteratorPolicy")


class BackendError(Exception):
    """What the backend would refuse, or what this re-telling of it doesn't cover."""


@dataclass(frozen=True)
class Compiled:
    """A pipeline spec with its platform spec.

    Attributes:
        pipeline: the first document. kubernetes: per executor label, what the platform document
            says of it.
    """

    pipeline: Json
    kubernetes: dict[str, Json]

    @property
    def name(self) -> str:
        return str(self.pipeline["pipelineInfo"]["name"])

    @property
    def parameters(self) -> dict[str, Json]:
        """Definitions of the run's parameters."""
        return dict(self.pipeline["root"].get("inputDefinitions", {}).get("parameters", {}))

    def component(self, task: Json) -> Json:
        return dict(self.pipeline["components"][task["componentRef"]["name"]])

    def container(self, component: Json) -> Json:
        return dict(
            self.pipeline["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        )

    def dags(self) -> Iterator[Json]:
        yield self.pipeline["root"]["dag"]
        yield from (
            component["dag"]
            for component in self.pipeline["components"].values()
            if "dag" in component
        )


def read(text: str) -> Compiled:
    """Read the two YAML documents that kfp's compiler writes."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    pipelines = [document for document in documents if "pipelineInfo" in document]
    if len(pipelines) != 1:
        raise BackendError(f"expected one pipeline spec, received {len(pipelines)}")
    kubernetes: dict[str, Json] = {}
    for document in documents:
        if "platforms" in document:
            kubernetes |= (
                document["platforms"]["kubernetes"].get("deploymentSpec", {}).get("executors", {})
            )
    return Compiled(pipelines[0], kubernetes)


def is_exit_task(task: Json) -> bool:
    return bool(task.get("triggerPolicy", {}).get("strategy") == EXIT_STRATEGY)


def dependencies(task: Json) -> set[str]:
    """Tasks that have to succeed first.

    The named ones, and producers of inputs (argocompiler/dag.go, addImplicitDependencies).
    """
    inputs = task.get("inputs", {})
    names = set(task.get("dependentTasks", ()))
    names |= {
        spec["taskOutputParameter"]["producerTask"]
        for spec in inputs.get("parameters", {}).values()
        if "taskOutputParameter" in spec
    }
    names |= {
        spec["taskOutputArtifact"]["producerTask"]
        for spec in inputs.get("artifacts", {}).values()
        if "taskOutputArtifact" in spec
    }
    return names


def in_order(tasks: dict[str, Json]) -> list[str]:
    """Names of the tasks, each after those that it depends on.

    By name where nothing orders them.
    """
    done: list[str] = []
    left = sorted(tasks)
    while left:
        ready = next((name for name in left if dependencies(tasks[name]) <= set(done)), None)
        if ready is None:
            raise BackendError(f"the tasks {', '.join(left)} wait for one another")
        done.append(ready)
        left.remove(ready)
    return done
