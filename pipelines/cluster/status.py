"""What a cluster's runs are doing.

Which there are, how the steps of one stand, and where it is shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import kfp_server_api

from components.shared.errors import ContractError, EmotionError, InputError
from components.shared.findings import Evidence
from components.shared.retry import Retry
from components.shared.serialization import from_json, json_object
from components.shared.step.run_claim import find_run
from components.shared.steps import STEPS
from components.shared.store import keys
from components.shared.store.interface import Store, open_store
from pipelines.cluster.client import Kubeflow, called, every
from pipelines.cluster.steps import Step, merged, steps_of_tasks, steps_of_workflow
from pipelines.cluster.workflows import Workflow, read_workflow
from pipelines.local import outcome
from pipelines.resources import STEP_LABEL

STORE_SECONDS = 10.0  # a store that only the cluster reaches: what can be told is told without it
ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
API_PORT = 8888  # of the service ml-pipeline, which serves the API without the UI
UI_FORWARD = "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80"
UI_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"  # kfp's own


@dataclass(frozen=True)
class RunStatus:
    """How a run stands, from what the server tells and what its steps left in the store.

    Attributes:
        run: as the API gives it. workflow: None where the server tells nothing of it.
        evidence: of the steps that were looked up. summary: as the report wrote it; empty where
            there is none.
        unreadable: why the store can't be read from here, in one line; empty where it can.
    """

    run: Any
    workflow: Workflow | None
    steps: dict[str, Step]
    evidence: dict[str, Evidence]
    summary: dict[str, Any]
    unreadable: str

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.run.state in ENDED


def latest_runs(client: Kubeflow, experiment_id: str, count: int) -> list[Any]:
    """Return the runs of an experiment that began last, the newest first."""
    return list(
        islice(
            every(client.list_runs, "runs", sort_by="created_at desc", experiment_id=experiment_id),
            count,
        )
    )


def standing_run(client: Kubeflow, experiment_id: str, name: str) -> Any:
    """Return the newest run of a name in an experiment that didn't fail, or None.

    It needn't be submitted again.
    """
    found = [
        one
        for one in every(client.list_runs, "runs", filter=called(name), experiment_id=experiment_id)
        if one.display_name == name
    ]
    well = [one for one in found if one.state not in ("FAILED", "CANCELED", "CANCELING")]
    return max(well, key=lambda one: one.created_at, default=None)


def run_called(client: Kubeflow, which: str) -> Any:
    """Return a run by its name, of several the newest, or by its id. Raises InputError."""
    namespace = client.get_user_namespace() or None
    named = [
        one
        for one in every(client.list_runs, "runs", filter=called(which), namespace=namespace)
        if one.display_name == which
    ]
    if named:
        which = max(named, key=lambda one: one.created_at).run_id
    try:
        return client.get_run(which)
    except kfp_server_api.ApiException as error:
        if error.status not in (400, 404):
            raise
        raise InputError(
            f"there is no run {which}", fix="`emotion status` lists the latest"
        ) from error


def status_of(client: Kubeflow, run: Any) -> RunStatus:
    """How a run stands now.

    The nodes of its workflow tell most. The server's list of tasks stands in where they aren't
    told; it may have stood still long ago, so of a run that has ended, or whose nodes aren't told,
    the store is asked too.
    """
    workflow = read_workflow(client.manifest(run.run_id))
    nodes = workflow.nodes if workflow else ()
    details = (run.run_details.task_details if run.run_details else None) or ()
    told = (
        steps_of_workflow(workflow, datetime.now(timezone.utc))
        if workflow and nodes
        else steps_of_tasks(details)
    )
    ended = run.state in ENDED
    ask = (
        STEPS
        if ended or not nodes
        else [name for name in STEPS if name in told and told[name].state == "failed"]
    )
    evidence, summary, unreadable = _left_in_store(run, ask)
    names = dict.fromkeys((*STEPS, *told))
    steps = {
        name: merged(told.get(name), evidence.get(name), ended=ended, sure=bool(nodes))
        for name in names
    }
    return RunStatus(
        run,
        workflow,
        {name: step for name, step in steps.items() if step},
        evidence,
        summary,
        unreadable,
    )


def run_id_in_store(run: Any, store: Store) -> str:
    """Return the name under which a run's evidence, summary and report stand in its store."""
    return find_run(store, str(_parameters(run).get("run_id") or ""), run.run_id)


def store_of(run: Any) -> Store:
    """Return the store of a run.

    Raises:
        InputError: the run names none. EmotionError: it can't be opened from here.
    """
    uri = _parameters(run).get("store")
    if not uri:
        raise InputError(
            f"the run {run.display_name} names no store",
            expected="a run of this pipeline, with the parameter store",
        )
    return open_store(str(uri), retry=Retry(deadline_seconds=STORE_SECONDS))


def run_link(host: str, run_id: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where a run is shown in the UI (KFP 2.17.0: frontend/src/components/Router.tsx).

    How to get there, where it isn't beside the API.

    Args:
        host: address that the client speaks to. KF_PIPELINES_UI_ENDPOINT names the UI where it is
            elsewhere.
    """
    return _link(host, f"/#/runs/details/{run_id}", environment)


def recurring_run_link(
    host: str, recurring_run_id: str, environment: Mapping[str, str] = os.environ
) -> str:
    """Where a schedule is shown in the UI; as `run_link`."""
    return _link(host, f"/#/recurringrun/details/{recurring_run_id}", environment)


def _link(host: str, path: str, environment: Mapping[str, str]) -> str:
    if environment.get(UI_VARIABLE):
        return environment[UI_VARIABLE].rstrip("/") + path
    if urlsplit(host).port == API_PORT:
        return f"http://localhost:8080{path} (after `{UI_FORWARD}`)"
    return host.rstrip("/") + path


def exit_code(status: RunStatus) -> int:
    """Return what a command ends with that waited for a run.

    The code of `emotion run` for the same outcome.
    """
    if status.run.state != "SUCCEEDED":
        return outcome.EXIT_CODES["failed"]
    if status.summary.get("outcome") in outcome.EXIT_CODES:
        return outcome.exit_code(status.summary)
    # Without a summary the steps tell one thing: after data that is refused no step comes.
    refused = "validate" in status.steps and not {"resample", "train", "gate"} & set(status.steps)
    return outcome.EXIT_CODES["stopped" if refused else "blessed"]


def kubectl_logs(status: RunStatus, step: str = "") -> str:
    """Return the command that prints what a run's pods print, past Kubeflow Pipelines."""
    namespace = (status.workflow.namespace if status.workflow else "") or "kubeflow"
    labels = f"pipeline/runid={status.run.run_id}" + (f",{STEP_LABEL}={step}" if step else "")
    return f"kubectl -n {namespace} logs -l {labels} -c main --tail=-1 --prefix"


def _left_in_store(
    run: Any, steps: Iterable[str]
) -> tuple[dict[str, Evidence], dict[str, Any], str]:
    """Evidence of some steps and the summary, and why they can't be read."""
    found: dict[str, Evidence] = {}
    try:
        store = store_of(run)
        run_id = run_id_in_store(run, store)
        for step in steps:
            content = store.read(keys.evidence(run_id, step))
            with suppress(ContractError):  # of another version: what the server tells still stands
                found |= {step: from_json(Evidence, content, step)} if content is not None else {}
        return found, json_object(store.read(f"{keys.run(run_id)}/summary.json")), ""
    except (EmotionError, OSError, ValueError) as error:
        return found, {}, " ".join(str(error).split())


def _parameters(run: Any) -> dict[str, Any]:
    return (run.runtime_config.parameters if run.runtime_config else None) or {}
