"""Runs of a compiled pipeline, container after container, with the backend's conditions, exit tasks and cache.

backend/src/v2 of Kubeflow Pipelines 2.17.0: driver/root_dag.go, driver/dag.go and
driver/container.go, compiler/argocompiler/dag.go (`depends`: a task runs once those before it have
succeeded; an exit task is a hook of the task that it waits for), and component/launcher_v2.go. A
DAG stops at its first failed task, as Argo's do (failFast).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pipelines.kfp_backend import conditions, driver, launcher
from tests.pipelines.kfp_backend.compiled import (
    BackendError,
    Compiled,
    Json,
    dependencies,
    in_order,
    is_exit_task,
)
from tests.pipelines.kfp_backend.driver import Dag, Finished, RunFacts


@dataclass(frozen=True)
class Container:
    """A container that is about to start.

    Attributes:
        task: the step's name in the pipeline. command: its final command line. executor_input: as
            the launcher has it.
        root: a folder that stands for the pod's root.
    """

    task: str
    image: str
    command: list[str]
    executor_input: Json
    root: Path

    def write_parameters(self, values: dict[str, str]) -> None:
        """Leave output parameters, as a step does."""
        for name, text in values.items():
            launcher.at(
                self.root, self.executor_input["outputs"]["parameters"][name]["outputFile"]
            ).write_text(text)


Step = Callable[[Container], int]


@dataclass(frozen=True)
class Task:
    """A task of a run.

    Attributes:
        state: of its execution: COMPLETE, FAILED, CACHED, or CANCELED for one whose condition
            didn't hold.
        command: final command line, also of a task that came from the cache; empty for a DAG.
    """

    name: str
    path: tuple[str, ...]
    state: str
    command: tuple[str, ...] = ()
    inputs: Json = field(default_factory=dict)
    outputs: Json = field(default_factory=dict)


@dataclass
class Run:
    """What a run came to; ``state`` is the API's, SUCCEEDED or FAILED."""

    facts: RunFacts
    state: str = "RUNNING"
    tasks: list[Task] = field(default_factory=list)

    def task(self, name: str) -> Task:
        return next(task for task in self.tasks if task.name == name)

    def states(self, names: Iterable[str]) -> dict[str, str]:
        """States of the tasks of these names that came up."""
        chosen = set(names)
        return {task.name: task.state for task in self.tasks if task.name in chosen}


class Backend:
    """Runs pipelines, one container at a time, and keeps the cache between runs.

    Args:
        step: starts a container and returns its exit code. root: a folder that stands for every
            pod's root, and for the object store.
    """

    def __init__(self, step: Step, root: Path) -> None:
        self.step = step
        self.root = root
        self.ids = itertools.count(1)
        self.cache: dict[tuple[str, str], tuple[Json, Json]] = {}

    def run(self, compiled: Compiled, parameters: Json, facts: RunFacts) -> Run:
        """Run a pipeline with parameters that the API server has admitted (`recurring.check_parameters`)."""
        run = Run(facts)
        root = Dag(next(self.ids), {**default_parameters(compiled), **parameters})
        run.state = (
            "SUCCEEDED"
            if _Walk(self, compiled, run).dag(compiled.pipeline["root"], root, ())
            else "FAILED"
        )
        return run


def default_parameters(compiled: Compiled) -> Json:
    """Defaults of the run's parameters.

    Null for an optional one without (argocompiler/argo.go, Compile).
    """
    known = compiled.parameters
    return {
        name: spec.get("defaultValue")
        for name, spec in known.items()
        if "defaultValue" in spec or spec.get("isOptional")
    }


@dataclass
class _Walk:
    backend: Backend
    compiled: Compiled
    run: Run

    def dag(self, component: Json, dag: Dag, path: tuple[str, ...]) -> bool:
        """Run the tasks of a DAG; whether all went well."""
        tasks: dict[str, Json] = component["dag"]["tasks"]
        if component["dag"].get("outputs"):
            raise BackendError(f"the DAG {'/'.join(path)} has outputs, which isn't covered here")
        hooks = {name: task for name, task in tasks.items() if is_exit_task(task)}
        succeeded = True
        for name in in_order({name: task for name, task in tasks.items() if name not in hooks}):
            if not self._runs(tasks[name], dag):
                continue
            succeeded = self._task(name, tasks[name], dag, path) and succeeded
            for hook, task in hooks.items():
                if name in task["dependentTasks"]:
                    succeeded = self._task(hook, task, dag, path) and succeeded
            if not succeeded:
                break
        return succeeded

    def _runs(self, task: Json, dag: Dag) -> bool:
        """Whether all that the task waits for has succeeded; one that was skipped hasn't."""
        return all(
            name in dag.tasks and dag.tasks[name].state in ("COMPLETE", "CACHED")
            for name in dependencies(task)
        )

    def _task(self, name: str, task: Json, dag: Dag, path: tuple[str, ...]) -> bool:
        component = self.compiled.component(task)
        inputs = driver.resolve_inputs(name, task, component, dag, self.run.facts)
        condition = task.get("triggerPolicy", {}).get("condition", "")
        if condition and not conditions.holds(condition, inputs["parameterValues"]):
            dag.tasks[name] = Finished("CANCELED")
            self.run.tasks.append(Task(name, path, "CANCELED", inputs=inputs))
            return True
        if "dag" in component:
            inner = Dag(next(self.backend.ids), inputs["parameterValues"], inputs["artifacts"])
            state = "COMPLETE" if self.dag(component, inner, (*path, name)) else "FAILED"
            dag.tasks[name] = Finished(state)
            self.run.tasks.append(Task(name, path, state, inputs=inputs))
            return state == "COMPLETE"
        done, command = self._container(name, task, component, inputs)
        dag.tasks[name] = done
        outputs = {"parameters": done.parameters, "artifacts": done.artifacts}
        self.run.tasks.append(Task(name, path, done.state, tuple(command), inputs, outputs))
        return done.state != "FAILED"

    def _container(
        self, name: str, task: Json, component: Json, inputs: Json
    ) -> tuple[Finished, list[str]]:
        backend, container = self.backend, self.compiled.container(component)
        execution = next(backend.ids)
        outputs = driver.provision_outputs(
            name, component, self.run.facts, f"{self.run.facts.run_id}-{execution}"
        )
        executor_input = {"inputs": inputs, "outputs": outputs}
        words = driver.container_command(container, executor_input)
        command = launcher.command_line(words, executor_input, component, backend.root)
        key = None
        if task.get("cachingOptions", {}).get("enableCache"):
            claims = self._claims(component)
            key = (
                self.compiled.name,
                driver.fingerprint(component, container, executor_input, claims),
            )
            if key in backend.cache:
                return Finished("CACHED", *backend.cache[key]), command
        launcher.prepare_outputs(executor_input, backend.root)
        if (
            backend.step(Container(name, container["image"], command, executor_input, backend.root))
            != 0
        ):
            return Finished("FAILED"), command
        try:
            parameters, artifacts = launcher.collect_outputs(
                executor_input, component, backend.root
            )
        except BackendError:
            return Finished("FAILED"), command
        for value in artifacts.values():
            value["artifacts"][0]["name"] = str(
                next(backend.ids)
            )  # from here on an artifact is called by its id (toRuntimeArtifact)
        if key:
            backend.cache[key] = parameters, artifacts
        return Finished("COMPLETE", parameters, artifacts), command

    def _claims(self, component: Json) -> list[str]:
        mounts: list[dict[str, Any]] = self.compiled.kubernetes.get(
            component["executorLabel"], {}
        ).get("pvcMount", [])
        return [str(mount["pvcNameParameter"]["runtimeValue"]["constant"]) for mount in mounts]
