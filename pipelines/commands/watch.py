"""`emotion status` and `emotion logs`: what a cluster's runs are doing."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from components.contracts.errors import UnknownNameError
from pipelines import presets
from pipelines.commands.connection import Auth, CaFile, Host, Name, Namespace, PresetName, connect, schedule_name
from pipelines.commands.terminal import console

if TYPE_CHECKING:
    from pipelines.client import Kubeflow

WATCH_SECONDS = 10
COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELED": "red", "RUNNING": "cyan", "PENDING": "yellow"}


def status(
    run: Annotated[str, typer.Argument(help="Name or id of a run; without it the schedule and the latest runs.")] = "",
    preset: PresetName = presets.DEFAULT,
    name: Name = "",
    count: Annotated[int, typer.Option(min=1, max=100, help="How many runs to list.")] = 10,
    watch: Annotated[bool, typer.Option("--watch", help="With a run: until it ends. Exit code 0 if it went well, else 1.")] = False,
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Show the schedule and the latest runs of a preset, or the steps of one run.

    [dim]Examples:[/]
      emotion status --preset fer2013-cnn
      emotion status 20261121-023000-fer2013-cnn --watch
    """
    wanted = schedule_name(name, preset)
    client = connect(host, auth, namespace, ca_file)
    if not run:
        _show_preset(client, presets.preset(preset).name, wanted, count)
        return
    from pipelines import watching
    from pipelines.client import speaking

    told: dict[str, str] = {}
    while True:
        with speaking(client.host):
            found = watching.run_called(client, run)
        _show_changes(watching.tasks_of(found), told)
        if not watch or found.state in watching.ENDED:
            break
        time.sleep(WATCH_SECONDS)
    _show_run(found, watching.outcome_of(found))
    if watch and found.state != "SUCCEEDED":
        raise typer.Exit(1)


def logs(
    run: Annotated[str, typer.Argument(help="Name or id of a run.")],
    step: Annotated[str, typer.Argument(help="One of its steps, such as train.")],
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Print what a step's pods printed, every attempt.

    [dim]Example:[/]
      emotion logs 20261121-023000-fer2013-cnn train
    """
    from pipelines import watching
    from pipelines.client import speaking
    from pipelines.resources import TASKS

    if step not in TASKS:
        raise UnknownNameError("step", step, TASKS)
    client = connect(host, auth, namespace, ca_file)
    with speaking(client.host):
        found = list(watching.printed(client, watching.run_called(client, run), step))
    for pod, text in found:
        console.print(f"[dim]{pod}[/]")
        console.out(text.rstrip("\n"))


def _show_preset(client: Kubeflow, preset: str, name: str, count: int) -> None:
    from pipelines import publishing, schedules, watching
    from pipelines.client import speaking

    with speaking(client.host):
        enabled = schedules.standing(client, name, enabled=True)
        experiment = publishing.experiment_called(client, preset)
        runs = watching.latest_runs(client, experiment.experiment_id, count) if experiment else []
    for one in enabled:
        console.print(f"[bold]{name}[/] {escape(one.description or '')} · since {one.created_at:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
    if not enabled:
        console.print(f"{name}: no schedule is enabled")
    table = Table("run", "state", "began", "took", "id", box=None, header_style="bold")
    for run in runs:
        table.add_row(escape(run.display_name), _coloured(run.state), f"{run.created_at:%Y-%m-%d %H:%M} UTC", _took(run), run.run_id)
    console.print(table)


def _show_changes(tasks: dict[str, Any], told: dict[str, str]) -> None:
    """One line per step whose state isn't the one told last."""
    for step, task in tasks.items():
        if told.get(step) != task.state:
            told[step] = task.state
            message = f" {escape(task.error.message)}" if task.error and task.error.message else ""
            console.print(f"{step:<14}{_coloured(task.state)}{message}", soft_wrap=True)


def _show_run(run: Any, summary: dict[str, Any]) -> None:
    message = f": {escape(run.error.message)}" if run.error and run.error.message else ""
    console.print(f"[bold]{escape(run.display_name)}[/] {_coloured(run.state)}{message}", soft_wrap=True)
    for line in [summary.get("headline"), summary.get("error"), *(summary.get("reasons") or ()), summary.get("report")]:
        if line:
            console.print(f"  {line}", soft_wrap=True, markup=False)


def _coloured(state: str | None) -> str:
    word = state or "PENDING"
    return f"[{COLOURS.get(word, 'white')}]{word.lower()}[/]"


def _took(run: Any) -> str:
    end = run.finished_at if run.finished_at and run.finished_at.year > 1971 else datetime.now(timezone.utc)
    return f"{(end - run.created_at).total_seconds() / 60:.0f} min"
