"""What a cluster's runs are doing: their state, the tasks of one, and what its pods print."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import kfp_server_api

from components.contracts import layout
from components.contracts.codec import json_object
from components.contracts.errors import EmotionError, InputError
from components.runtime.store import open_store
from pipelines.client import Kubeflow, called, every
from pipelines.resources import TASKS

ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")


def latest_runs(client: Kubeflow, experiment_id: str, count: int) -> list[Any]:
    """The runs of an experiment that began last, the newest first."""
    return list(islice(every(client.list_runs, "runs", sort_by="created_at desc", experiment_id=experiment_id), count))


def standing_run(client: Kubeflow, experiment_id: str, name: str) -> Any:
    """The newest run of a name in an experiment that didn't fail, or None: it needn't be submitted again."""
    found = [one for one in every(client.list_runs, "runs", filter=called(name), experiment_id=experiment_id) if one.display_name == name]
    well = [one for one in found if one.state not in ("FAILED", "CANCELED", "CANCELING")]
    return max(well, key=lambda one: one.created_at, default=None)


def run_called(client: Kubeflow, which: str) -> Any:
    """A run by its name, of several the newest, or by its id. Raises InputError."""
    namespace = client.get_user_namespace() or None
    named = [one for one in every(client.list_runs, "runs", filter=called(which), namespace=namespace) if one.display_name == which]
    if named:
        which = max(named, key=lambda one: one.created_at).run_id
    try:
        return client.get_run(which)
    except kfp_server_api.ApiException as error:
        if error.status not in (400, 404):
            raise
        raise InputError(f"there is no run {which}", fix="`emotion status` lists the latest") from error


def tasks_of(run: Any) -> dict[str, Any]:
    """The steps of a run that began, in the order of the flow; of a retried one the last attempt."""
    details = _details(run)
    named = {step: [task for task in details if task.display_name == step] for step in TASKS}
    return {step: max(tasks, key=lambda task: str(task.start_time or "")) for step, tasks in named.items() if tasks}


def printed(client: Kubeflow, run: Any, step: str) -> Iterator[tuple[str, str]]:
    """Pod and what it printed, for every pod of a step that there is.

    Raises:
        InputError: the step never began, or none of its pods can be read.
    """
    nodes = sorted(_pods_of(run, step))
    if not nodes:
        began = ", ".join(tasks_of(run)) or "none yet"
        raise InputError(f"{step} has no pod in run {run.display_name}", expected=f"a step that began: {began}")
    told = 0
    for node in nodes:
        try:
            text = client.log(run.run_id, node)
        except kfp_server_api.ApiException as error:
            if error.status in (401, 403):
                raise
            continue
        told += 1
        yield node, text
    if not told:
        labels = f"pipeline/runid={run.run_id},app.kubernetes.io/component={step}"
        raise InputError(
            f"the pods of {step} are gone, or keep their words from Kubeflow Pipelines",
            fix=f"`kubectl -n kubeflow logs -l {labels} -c main --tail=-1`",
        )


def outcome_of(run: Any) -> dict[str, Any]:
    """The summary that the run's report wrote into its store; empty where there is none yet, or the store can't be read from here."""
    parameters = (run.runtime_config.parameters if run.runtime_config else None) or {}
    try:
        content = open_store(str(parameters["store"])).read(f"{layout.run(parameters.get('run_id') or run.run_id)}/summary.json")
    except (KeyError, ValueError, EmotionError, OSError):
        return {}
    return json_object(content)


def _pods_of(run: Any, step: str) -> set[str]:
    """Nodes below a task that have none below them; the driver, which only prepares, aside."""
    details = _details(run)
    by_node = {task.pod_name: task for task in details if task.pod_name}
    found: set[str] = set()
    waiting = [task for task in details if task.display_name == step]
    seen: set[str] = set()
    while waiting:
        task = waiting.pop()
        if task.task_id in seen:
            continue
        seen.add(task.task_id)
        below = [by_node[child.pod_name] for child in task.child_tasks or () if child.pod_name in by_node]
        below += [other for other in details if other.parent_task_id == task.task_id]
        if not below and task.pod_name and not str(task.display_name).endswith("-driver"):
            found.add(task.pod_name)
        waiting += below
    return found


def _details(run: Any) -> list[Any]:
    return list((run.run_details.task_details if run.run_details else None) or ())
