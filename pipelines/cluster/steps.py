"""How the steps of a run on a cluster stand, put together from what the server tells and what the steps left in the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from components.shared.findings import Evidence
from components.shared.steps import STEPS
from pipelines.cluster.workflows import DRIVER, EXECUTOR, FAILED_PHASES, Node, Workflow, moment

State = Literal["waiting", "running", "succeeded", "cached", "failed", "unknown"]
GOING_ON: tuple[State, ...] = ("waiting", "running")


@dataclass(frozen=True)
class Step:
    """How one step stands.

    Attributes:
        state: waiting: its pod isn't started yet, ``why`` says what it waits for. cached: the
            result of an earlier run was taken. unknown: the run has ended, and nothing says how the
            step did.
        attempts: how often a pod of it began, or waits to. seconds: from its beginning to its end,
            or to the last word of it.
        began_at: of the last attempt; a waiting one waits since then.
        why: a reason in one line; empty where there is nothing to say.
        pods: of every attempt, the earliest first.
    """

    name: str
    state: State
    attempts: int = 0
    began_at: datetime | None = None
    seconds: float | None = None
    why: str = ""
    pods: tuple[Node, ...] = ()


def steps_of_workflow(workflow: Workflow, now: datetime) -> dict[str, Step]:
    """Return the steps that began, in the order of the flow, by the nodes of the workflow.

    A step is found by the key of its task in the pipeline, which Argo takes as the name of its
    task, whatever a person sees in the UI (KFP 2.17.0:
    backend/src/v2/compiler/argocompiler/dag.go). The task is a graph of its own that holds the task
    "executor"; before it "STEP-driver" prepares it. A group of tasks has a driver too; it is listed
    where it fails or waits.
    """
    found = {name: _step(name, workflow.nodes, now) for name in STEPS}
    for node in workflow.nodes:
        name = node.path[-1]
        if (
            node.pod
            and name.endswith(DRIVER)
            and name.removesuffix(DRIVER) not in STEPS
            and node.phase in ("Pending", *FAILED_PHASES)
        ):
            found[name] = Step(
                name,
                "waiting" if node.phase == "Pending" else "failed",
                1,
                node.started_at,
                None,
                node.message,
                (node,),
            )
    return {name: step for name, step in found.items() if step is not None}


def steps_of_tasks(details: Iterable[Any]) -> dict[str, Step]:
    """Return the steps that began, by the server's list of tasks, which tells states and times only.

    A pod that waits shows in the entries of executors, and nothing there says whose executor it is:
    where all of them wait, the steps that go on wait. The server calls a task by its key in the
    pipeline, never by its title.
    """
    tasks = list(details)
    pods = [task.state for task in tasks if str(task.display_name).startswith(f"{EXECUTOR}(")]
    waits = "PENDING" in pods and "RUNNING" not in pods
    found = {}
    for name in STEPS:
        of_it = [task for task in tasks if task.display_name == name]
        if not of_it:
            continue
        task = max(of_it, key=lambda one: str(one.start_time or ""))
        state = _STATES.get(task.state or "")  # not told: Argo omitted the task
        if state is not None:
            state = "waiting" if waits and state == "running" else state
            began, ended = _known(task.start_time), _known(task.end_time)
            seconds = (ended - began).total_seconds() if began and ended else None
            error = task.error.message if task.error and task.error.message else ""
            found[name] = Step(name, state, began_at=began, seconds=seconds, why=error)
    return found


def merged(told: Step | None, evidence: Evidence | None, *, ended: bool, sure: bool) -> Step | None:
    """One step by what the server tells of it and what it left in the store.

    Args:
        ended: whether the run has ended: then nothing goes on. sure: whether the server's word is
            up to date, as nodes are; its list of tasks may stand still while the run goes on.
    """
    if evidence is None:
        return (
            replace(told, state="unknown", why=_last_word(told))
            if told and ended and told.state in GOING_ON
            else told
        )
    told = told or Step(evidence.step, "unknown")
    left = replace(
        told,
        attempts=max(told.attempts, evidence.attempts),
        began_at=told.began_at or moment(evidence.started_at),
        seconds=(
            evidence.earlier_seconds + evidence.seconds
            if told.seconds is None and evidence.finished_at
            else told.seconds
        ),
    )
    if told.state in ("succeeded", "cached") or (sure and not ended and told.state in GOING_ON):
        return left
    if evidence.status == "failed":
        return replace(left, state="failed", why=_joined(evidence.error, told.why))
    if evidence.status == "succeeded":
        return (
            replace(left, why=_joined("the step itself ended well", told.why))
            if told.state == "failed"
            else replace(left, state="succeeded")
        )
    if ended:
        return replace(
            left,
            state="failed",
            why=_joined(told.why, f"it began at {evidence.started_at[:19]} UTC and was killed"),
        )
    return replace(left, state="running") if told.state != "failed" else left


def _step(name: str, nodes: tuple[Node, ...], now: datetime) -> Step | None:
    tasks = [node for node in nodes if node.path[-1] == name]
    task = next((node for node in tasks if node.kind == "Retry"), tasks[0] if tasks else None)
    driver = next(
        (node for node in reversed(nodes) if node.pod and node.path[-1] == name + DRIVER), None
    )
    executors = [node for node in nodes if node.path[-2:] == (name, EXECUTOR)]
    pods = tuple(node for node in executors if node.pod)
    if pods:
        return _attempted(
            name,
            task or pods[-1],
            next((node for node in executors if node.kind == "Retry"), None),
            pods,
            now,
        )
    if driver is not None and driver.phase in ("Pending", *FAILED_PHASES):
        why = _joined("the pod that prepares it", driver.message)
        return Step(
            name,
            "waiting" if driver.phase == "Pending" else "failed",
            0,
            driver.started_at,
            None,
            why,
            (driver,),
        )
    if task is None:
        return Step(name, "running", began_at=driver.started_at) if driver else None
    if task.phase in ("Skipped", "Omitted"):
        return None  # not its turn: a condition, or an earlier step that failed
    state: State = "cached" if task.phase == "Succeeded" else _of_phase(task.phase)
    return Step(name, state, began_at=task.started_at, why=task.message)


def _attempted(
    name: str, task: Node, retry: Node | None, pods: tuple[Node, ...], now: datetime
) -> Step:
    last = pods[-1]
    between = retry is not None and retry.phase == "Running" and last.phase in FAILED_PHASES
    state: State = "waiting" if last.phase == "Pending" or between else _of_phase(task.phase)
    if state in ("succeeded", "running"):
        before = _joined(*(pod.message for pod in pods[:-1]))
        why = f"an earlier attempt: {before}" if before else ""
    else:
        why = _joined(last.message, (retry.message if retry else "") or task.message)
    return Step(
        name,
        state,
        len(pods),
        last.finished_at if between else last.started_at,
        _seconds(pods, now),
        why,
        pods,
    )


def _of_phase(phase: str) -> State:
    return (
        "succeeded" if phase == "Succeeded" else "failed" if phase in FAILED_PHASES else "running"
    )


_STATES: dict[str, State] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "failed",
    "CANCELING": "running",
    "PAUSED": "waiting",
}


def _known(time: datetime | None) -> datetime | None:
    """Return a time of the API; None for the year 1 and for 1970, which stand for no time."""
    return time if time and time.year > 1970 else None


def _seconds(pods: tuple[Node, ...], now: datetime) -> float | None:
    first, last = pods[0].started_at, pods[-1]
    end = last.finished_at or (now if last.phase == "Running" else None)
    return (end - first).total_seconds() if first and end else None


def _last_word(step: Step) -> str:
    return _joined(f"the last that the server tells of it is: {step.state}", step.why)


def _joined(*parts: str) -> str:
    """Different reasons in one line."""
    return "; ".join(dict.fromkeys(part.rstrip(".") for part in parts if part))
