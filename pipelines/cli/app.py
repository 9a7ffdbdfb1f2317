"""The `emotion` command."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from components.shared.errors import EmotionError, EnvironmentProblem, InputError
from components.shared.preset import IngestionPolicy
from components.shared.preset.sources import joined_uri
from components.shared.serialization import to_json, to_pretty_json
from components.shared.step.frame import one_line
from pipelines import code_version, presets
from pipelines.cli import data, drift, export, gate, reports, schema, serving, sweep
from pipelines.cli.hints import Group, complete_all, hint
from pipelines.cli.kubeflow import rollout, watch
from pipelines.cli.kubeflow import runs as cluster
from pipelines.cli.registry import models, signing
from pipelines.cli.terminal import Runs, Store, console, errors
from pipelines.demo import draw
from pipelines.local import doctor
from pipelines.local.display import display_for
from pipelines.local.outcome import exit_code, show_outcome
from pipelines.workflow_size import (
    WORKFLOW_LIMIT,
    WorkflowSize,
    check_size,
    expected_parameters,
    workflow_size,
)

app = typer.Typer(
    name="emotion",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Retrain a facial-emotion classifier every night, and promote a model only through"
        " evaluation gates."
    ),
    epilog=(
        "Exit codes: 0 blessed, rejected, needs-approval or nothing new · 3 the data was refused,"
        " or a rollout went back · 2 wrong input · 4 conflict · 5 the machine can't · 130"
        " interrupted · 1 anything else."
    ),
)

app.add_typer(models.app, name="models")
models.app.command(name="sign")(signing.sign)
models.app.command(name="verify")(signing.verify)
app.command(name="forget")(data.forget)
app.command(name="relabel")(data.relabel)
app.add_typer(gate.app, name="gate")
app.add_typer(schema.app, name="schema")
app.add_typer(rollout.app, name="rollout")
app.command(name="drift")(drift.drift)
app.command(name="export")(export.export)
app.command(name="sweep")(sweep.sweep)
app.command(name="predict")(serving.predict)
app.command(name="serve")(serving.serve)
app.command(name="report")(reports.report)
app.command(name="submit")(cluster.submit)
app.command(name="schedule")(cluster.schedule)
app.command(name="unschedule")(cluster.unschedule)
app.command(name="status")(watch.status)
app.command(name="logs")(watch.logs)
app.command(name="stop")(watch.stop)


@app.command()
def run(
    preset: Annotated[
        str, typer.Option(help="Name of a preset; `emotion presets` lists them.")
    ] = presets.DEFAULT,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "Images: a folder, a .zip or .tar, a table (FER2013's .csv, a manifest), or gs://,"
                " s3:// or kaggle:// of these. "
                "Several times: joined; a table of votes belongs to the images before it. Without"
                " it the default preset draws faces."
            )
        ),
    ] = None,
    night: Annotated[
        str, typer.Option(help="For drawn faces: next, same (nothing new), or a night's number.")
    ] = "next",
    store: Store = "store",
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the newest run (or --run-id): finished steps are skipped."
        ),
    ] = False,
    run_id: Annotated[str, typer.Option(help="With --resume: which run.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Retrain even when nothing is new.")
    ] = False,
    runner: Annotated[
        str,
        typer.Option(help="processes, or docker: each step in its image (`make images` first)."),
    ] = "processes",
    beam: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- BEAM_OPTION...]",
            help=(
                "Options of Apache Beam, which reads the images: --runner= and those of that"
                " runner; none: this machine."
            ),
        ),
    ] = None,
) -> None:
    """Run the whole pipeline on this machine: resolve to report, each step in its own environment.

    [dim]Examples:[/]
      emotion run
      emotion run --night same
      emotion run --preset fer2013-cnn --data ~/fer2013.zip
      emotion run --preset fer2013-cnn --data ~/fer2013.zip --data s3://bucket/more-faces
      emotion run --preset ferplus --data ~/fer2013.csv --data ~/fer2013new.csv
      emotion run --resume
      emotion run --data gs://bucket/faces -- --runner=PortableRunner --job_endpoint=HOST:8099 --temp_location=gs://bucket/tmp
    """
    from pipelines.local import (
        run,
    )  # kfp takes seconds to import; `emotion --help` need not wait for it

    if resume:
        request = run.last_request(runs, run_id)
    else:
        chosen = presets.preset(preset)
        if beam:
            chosen = replace(chosen, ingestion=IngestionPolicy(tuple(beam)))
        source = (
            joined_uri(data) if data else "" if chosen.data.sources else _drawn_faces(preset, night)
        )
        request = run.new_request(chosen, source, store, force=force, runner=run.runner(runner))
    run.preflight(request, runs)
    console.print(f"[bold]{request.run_id}[/] · {request.preset.summary}")
    try:
        with display_for(console) as display:
            summary = run.execute(request, runs.absolute(), display)
    except KeyboardInterrupt:
        errors.print(
            "[yellow]interrupted[/]; nothing was promoted half-way. Continue with:"
            f" {escape(hint('run', resume=True))}",
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    show_outcome(console, summary, runs / request.run_id)
    raise typer.Exit(exit_code(summary))


@app.command(name="compile")
def compile_(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "build/emotion-retraining.yaml"
    ),
    preset: Annotated[
        str,
        typer.Option(help="Whose sizes the tasks get, and the default of the parameter preset."),
    ] = presets.DEFAULT,
    registry: Annotated[
        str, typer.Option(help="Registry that holds the images; tags are digests of code and lock.")
    ] = "localhost",
    claim: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "PersistentVolumeClaim of a pvc:// store or source, mounted in every task; `emotion"
                " submit` reads it from --store."
            )
        ),
    ] = None,
) -> None:
    """Compile the pipeline to two YAML documents: pipeline and Kubernetes platform spec.

    The same code gives the same bytes. What a run will weigh in Kubernetes is printed, and refused
    where Argo wouldn't keep it whole.
    """
    from components.shared.artifacts.contract import write_atomically
    from components.shared.store.interface import claim_of
    from pipelines.compiler import compile_pipeline
    from pipelines.resources import Cluster, tasks_for

    device = presets.preset(preset).training.device
    claims = tuple(claim_of(f"pvc://{name}") for name in claim or ())
    cluster = Cluster(
        tasks_for(device, gpus=device == "gpu"),
        device,
        claims,
        preset,
        code_version=code_version.code_version(),
    )
    compiled = compile_pipeline(
        code_version.image_references(registry, gpu=device == "gpu"), cluster
    )
    size = workflow_size(compiled, expected_parameters(to_json(presets.preset(preset))))
    check_size(size)
    write_atomically(output, compiled.encode())
    console.print(f"wrote {output}\n")
    _show_size(size)


@app.command(name="presets")
def presets_(
    name: Annotated[str | None, typer.Argument(help="Show one preset in full.")] = None,
) -> None:
    """List the presets, or show one in full."""
    if name:
        chosen = presets.preset(name)
        console.print(
            (sys.modules[f"pipelines.presets.{name.replace('-', '_')}"].__doc__ or "").strip()
            + "\n"
        )
        console.print_json(to_pretty_json(chosen))
        return
    table = Table(
        "preset", "labels", "input", "architecture", "summary", box=None, header_style="bold"
    )
    for preset in presets.PRESETS.values():
        image = preset.data.image
        table.add_row(
            preset.name,
            str(len(preset.data.labels)),
            f"{image.height}x{image.width}x{image.channels}",
            preset.training.architecture,
            preset.summary,
        )
    console.print(table)


@app.command(name="doctor")
def doctor_() -> None:
    """Check this machine: Python, environments, disk; what is missing and how to get it."""
    findings = doctor.examine()
    table = Table("", "what", "found", "to fix it", box=None, header_style="bold")
    marks = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "note": "[yellow]note[/]"}
    for finding in findings:
        table.add_row(marks[finding.state], finding.what, finding.found, finding.fix)
    console.print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(5)


def _show_size(size: WorkflowSize) -> None:
    """Print what each task and the whole run weigh."""
    table = Table(
        "step", "arguments", "pod spec patch", "run so far", box=None, header_style="bold"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    growth = dict(size.growth)
    for task in size.tasks:
        total = f"{growth[task.name]:,}" if task.name in growth else "in its place"
        table.add_row(task.name, f"{task.arguments:,}", f"{task.patch:,}", total)
    console.print(table)
    share = size.patches / size.workflow
    console.print(
        f"a run weighs about {size.workflow:,} bytes of at most {WORKFLOW_LIMIT:,}, {share:.0%} of"
        " it pod spec patches"
    )


def _drawn_faces(preset: str, night: str) -> str:
    """Return the folder of drawn faces, brought to the asked night."""
    if preset != presets.DEFAULT:
        raise InputError(
            f"the preset {preset} needs images",
            expected="--data (DATA=)",
            fix=f"give a folder, an archive or a table, or use --preset {presets.DEFAULT}",
        )
    folder = code_version.ROOT / "data" / preset
    with console.status("drawing tonight's faces") as status:
        draw.draw(
            folder,
            night,
            lambda told: status.update(f"drawing tonight's faces: {told.done:,} of {told.total:,}"),
        )
    return str(folder)


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: errors of this project end in one line and their exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except EmotionError as error:
        errors.print(f"[red]error:[/] {escape(complete_all(str(error)))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a folder that may not be written
        errors.print(f"[red]error:[/] {escape(one_line(error))}", soft_wrap=True)
        sys.exit(EnvironmentProblem.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
