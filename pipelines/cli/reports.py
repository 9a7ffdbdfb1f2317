"""`emotion report`: the page of a run, and the page over all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.shared.store.interface import open_store
from pipelines.cli.terminal import Runs, Store, console
from pipelines.local.environments import run_component


def report(
    run_id: Annotated[str | None, typer.Argument(help="A run; by default the newest.")] = None,
    index: Annotated[
        bool,
        typer.Option("--index", help="Build the page over all runs of the store again instead."),
    ] = False,
    runs: Runs = Path("runs"),
    store: Store = "store",
) -> None:
    """Build the report of a run again from its evidence, or with --index the page over all runs.

    Say where it stands.

    [dim]Examples:[/]
      emotion report
      emotion report 20261121-104627-synthetic-faces
      emotion report --index
      emotion report --index --store gs://bucket/emotion
    """
    from pipelines.local import run  # kfp takes seconds to import

    if index:
        code = run_component(
            "reporting",
            ["index", "--store", run.absolute(store), "--home", runs.absolute(), "--rebuild"],
        )
        page = runs / "index.html"
    else:
        request = run.last_request(runs, run_id or "")
        folder = runs / request.run_id
        page = folder / "report.html"
        arguments = [
            "report",
            "--run-id",
            request.run_id,
            "--store",
            request.store,
            "--preset",
            request.preset_json,
        ]
        code = run_component("reporting", [*arguments, "--page", page.absolute()])
        if code == 0:
            run.bring_home(open_store(request.store), request.run_id, folder)
    if code:
        raise typer.Exit(code)
    console.print(str(page), soft_wrap=True)
