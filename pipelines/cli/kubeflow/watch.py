"""`emotion status`, `emotion logs` and `emotion stop`: what a cluster's runs are doing, and the end of one."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from components.shared.errors import EmotionError, UnknownNameError
from components.shared.step.frame import one_line
from pipelines import presets
from pipelines.cli.kubeflow.connection import (
    Auth,
    CaFile,
    Host,
    Name,
    Namespace,
    PresetName,
    connect,
    schedule_name,
)
from pipelines.cli.terminal import console

if TYPE_CHECKING:
    from pipelines.cluster.client import Kubeflow
    from pipelines.cluster.status import RunStatus
    from pipelines.cluster.steps import Step

WATCH_SECONDS = 10
STOP_SECONDS = 60  # a pod gets 30 seconds to end; Kubeflow Pipelines is told within seconds
STOP_POLL_SECONDS = 2
LONG_SECONDS = 600  # a pod that waits longer is worth a word: a node is added in less
COLOURS = {
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELED": "red",
    "CANCELING": "yellow",
    "RUNNING": "cyan",
    "PENDING": "yellow",
    "WAITING": "yellow",
    "CACHED": "green",
    "UNKNOWN": "yellow",
}

Run = Annotated[str, typer.Argument(help="Name or id of a run.")]


def status(
    run: Annotated[
        str,
        typer.Argument(help="Name or id of a run; without it the schedule and the latest runs."),
    ] = "",
    preset: PresetName = presets.DEFAULT,
    name: Name = "",
    count: Annotated[int, typer.Option(min=1, max=100, help="How many runs to list.")] = 10,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help=(
                "With a run: until it ends; the exit code is that of `emotion run`, 1 where the run"
                " failed."
            ),
        ),
    ] = False,
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Show the schedule and the latest runs of a preset, or the steps of one run.

    Of a run that has ended the store is asked too, where it can be read from here: it knows why a
    step failed.

    [dim]Examples:[/]
      emotion status --preset fer2013-cnn
      emotion status 20261121-023000-fer2013-cnn --watch
    """
    wanted = schedule_name(name, preset)
    client = connect(host, auth, namespace, ca_file)
    if not run:
        _show_preset(client, presets.preset(preset).name, wanted, count)
        return
    from pipelines.cluster import status
    from pipelines.cluster.client import speaking

    shown: dict[str, tuple[str, str]] = {}
    while True:
        with speaking(client.host):
            current = status.status_of(client, status.run_called(client, run))
        if not watch or current.ended:
            break
        _show_changes(current, shown)
        time.sleep(WATCH_SECONDS)
    _show_run(client.host, current)
    if watch:
        raise typer.Exit(status.exit_code(current))


def logs(
    run: Run,
    step: Annotated[str, typer.Argument(help="One of its steps, such as train.")],
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Print what a step's pods printed, every attempt: while it runs, after it ended, and after its pods are gone.

    Kubeflow Pipelines reads it from the pod, or from Argo's archive in its object store.

    [dim]Example:[/]
      emotion logs 20261121-023000-fer2013-cnn train
    """
    from pipelines.cluster import status
    from pipelines.cluster.client import speaking
    from pipelines.cluster.logs import logs_of
    from pipelines.resources import TASKS

    if step not in TASKS:
        raise UnknownNameError("step", step, TASKS)
    client = connect(host, auth, namespace, ca_file)
    with speaking(client.host):
        found, missing = logs_of(
            client, status.status_of(client, status.run_called(client, run)), step
        )
    for log in found:
        console.print(f"[dim]{log.pod} (from {log.source})[/]", soft_wrap=True)
        console.out(log.text.rstrip("\n"))
    for line in missing:
        console.print(line, soft_wrap=True, markup=False)


def stop(
    run: Run, host: Host = "", auth: Auth = "", namespace: Namespace = "", ca_file: CaFile = None
) -> None:
    """End a run now, and see to its report.

    The steps get a moment to end. What they left in the store stays; a rollout stays where it is,
    and `emotion rollout` goes on or back. Kubeflow Pipelines begins the run's report, and Argo
    often ends that too: then it is written from here, by the environment that `make install` makes,
    where the store is within reach.

    [dim]Example:[/]
      emotion stop 20261121-023000-fer2013-cnn
    """
    from pipelines.cluster import status, stop
    from pipelines.cluster.client import speaking

    client = connect(host, auth, namespace, ca_file)
    with speaking(client.host):
        found = status.run_called(client, run)
        began = stop.stop_run(client, found)
    console.print(
        f"{'stopping' if began else 'already stopping'}: [bold]{escape(found.display_name)}[/]",
        soft_wrap=True,
    )
    latest = time.monotonic() + STOP_SECONDS
    while True:
        with speaking(client.host):
            current = status.status_of(client, client.get_run(found.run_id))
        ending = any(
            evidence.status == "running" for evidence in current.evidence.values()
        )  # a step that ends says so in the store
        if (current.ended and not ending) or time.monotonic() >= latest:
            break
        time.sleep(STOP_POLL_SECONDS)
    if not current.ended:
        console.print(
            f"it is still ending; `emotion stop {run}` waits on, and sees to its report",
            soft_wrap=True,
            markup=False,
        )
        return
    console.print(f"stopped: [bold]{escape(found.display_name)}[/]", soft_wrap=True)
    _see_to_report(current)


def _see_to_report(current: RunStatus) -> None:
    from pipelines.cluster import stop

    step = current.steps.get("report")
    try:
        location, by_step = stop.ensure_report(current)
    except (EmotionError, OSError) as error:
        why = f"its step {step.state}: {step.why}" if step else "its step never began"
        console.print(
            f"no report was written: {why}; from here: {one_line(error)}",
            soft_wrap=True,
            markup=False,
        )
        return
    console.print(
        f"report{'' if by_step else ', written from here'}: {location}",
        soft_wrap=True,
        markup=False,
    )


def _show_preset(client: Kubeflow, preset: str, name: str, count: int) -> None:
    from pipelines.cluster import publish, schedules, status
    from pipelines.cluster.client import speaking

    with speaking(client.host):
        enabled = schedules.standing(client, name, enabled=True)
        experiment = publish.experiment_called(client, preset)
        runs = status.latest_runs(client, experiment.experiment_id, count) if experiment else []
    for one in enabled:
        console.print(
            f"[bold]{name}[/] {escape(one.description or '')} · since"
            f" {one.created_at:%Y-%m-%d %H:%M} UTC",
            soft_wrap=True,
        )
    if not enabled:
        console.print(f"{name}: no schedule is enabled")
    table = Table("run", "state", "began", "took", "id", box=None, header_style="bold")
    for run in runs:
        table.add_row(
            escape(run.display_name),
            _coloured(run.state),
            f"{run.created_at:%Y-%m-%d %H:%M} UTC",
            _took(run),
            run.run_id,
        )
    console.print(table)


def _show_changes(current: RunStatus, shown: dict[str, tuple[str, str]]) -> None:
    """One line per step whose state isn't the one shown last."""
    for name, step in current.steps.items():
        state = (step.state, _waiting(current, step) or step.why)
        if shown.get(name) != state:
            shown[name] = state
            console.print(
                f"{name:<14}{_coloured(step.state)} {escape(state[1])}".rstrip(), soft_wrap=True
            )


def _show_run(host: str, current: RunStatus) -> None:
    from pipelines.cluster.status import run_link

    run, workflow = current.run, current.workflow
    reason = (run.error.message if run.error else "") or (workflow.message if workflow else "")
    reason = f"stopped, {reason}".rstrip(", ") if workflow and workflow.stopped else reason
    archived = " (archived)" if run.storage_state == "ARCHIVED" else ""
    title = f"[bold]{escape(run.display_name)}[/] {_coloured(run.state)}{archived}"
    console.print(title + (f": {escape(reason)}" if reason else ""), soft_wrap=True)
    console.print(run_link(host, run.run_id), soft_wrap=True, markup=False)
    if current.steps:
        console.print(_table(current))
    summary = current.summary
    for line in [
        summary.get("headline"),
        summary.get("error"),
        *(summary.get("reasons") or ()),
        summary.get("report"),
        *_unknown(current),
    ]:
        if line:
            console.print(f"  {line}", soft_wrap=True, markup=False)


def _table(current: RunStatus) -> Table:
    narrow = [Column(title, no_wrap=True) for title in ("step", "state", "attempts", "took")]
    table = Table(*narrow, "why", box=None, header_style="bold")
    for name, step in current.steps.items():
        took = (
            ""
            if step.seconds is None
            else f"{step.seconds:.0f} s"
            if step.seconds < 120
            else f"{step.seconds / 60:.0f} min"
        )
        table.add_row(
            name,
            _coloured(step.state),
            str(step.attempts or ""),
            took,
            escape(_waiting(current, step) or step.why),
        )
    return table


def _waiting(current: RunStatus, step: Step) -> str:
    """Return what a step waits for and since when; after a while also what will end it."""
    if step.state != "waiting":
        return ""
    since = f" since {step.began_at:%H:%M} UTC" if step.began_at else ""
    text = f"to start{since}: {step.why or 'no reason is told'}"
    if (
        not step.began_at
        or (datetime.now(timezone.utc) - step.began_at).total_seconds() < LONG_SECONDS
    ):
        return text
    deadline = current.workflow.deadline if current.workflow else None
    ends = f". The run's deadline ends it on {deadline:%Y-%m-%d at %H:%M} UTC" if deadline else ""
    return f"{text}{ends}; `emotion stop {current.run.display_name}` ends it now"


def _unknown(current: RunStatus) -> list[str]:
    """Return what can't be said of a run, why, and where to look."""
    from pipelines.cluster.status import kubectl_logs

    states = {name: step.state for name, step in current.steps.items()}
    unknown = [name for name, state in states.items() if state == "unknown"]
    if unknown:
        what = f"how {', '.join(unknown)} ended isn't told"
    elif current.ended and not states:
        what = "no step is told of"
    elif (
        current.ended
        and current.run.state != "SUCCEEDED"
        and "failed" not in states.values()
        and not current.summary.get("error")
    ):
        what = "which step failed isn't told"
    else:
        return []
    store = (
        f"the store can't be read from here: {current.unreadable}"
        if current.unreadable
        else "the store holds nothing of it either"
    )
    command = kubectl_logs(current, unknown[0] if unknown else "")
    return [f"{what}; {store}", f"`{command}` prints what its pods printed, while they are there"]


def _coloured(state: str | None) -> str:
    word = state or "PENDING"
    return f"[{COLOURS.get(word.upper(), 'white')}]{word.lower()}[/]"


def _took(run: Any) -> str:
    end = (
        run.finished_at
        if run.finished_at and run.finished_at.year > 1971
        else datetime.now(timezone.utc)
    )
    return f"{(end - run.created_at).total_seconds() / 60:.0f} min"
