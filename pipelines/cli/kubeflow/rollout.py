"""`emotion rollout`: a version's way to the traffic of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from components.shared.errors import EnvironmentProblem
from components.shared.preset import Preset, RolloutPolicy
from components.shared.serialization import to_json
from components.shared.store.interface import claim_of
from pipelines import presets
from pipelines.cli.hints import Group, complete_all, hint
from pipelines.cli.kubeflow.connection import Auth, CaFile, Host, connect
from pipelines.cli.kubeflow.runs import Registry, ServiceAccount
from pipelines.cli.terminal import Store, console, errors
from pipelines.local.environments import run_component

if TYPE_CHECKING:
    from pipelines.cluster.client import Kubeflow
    from pipelines.cluster.rollouts import Task

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=(
        "See and steer how a new version gets the traffic of a cluster: dark launch, smoke test,"
        " 10, 50, 100 %, or back.\n\nThe deploy step drives it. Its state stands in the"
        " InferenceService, so any of these works after a kill, and a step that is run again goes"
        " on from there."
    ),
)

Model = Annotated[str, typer.Argument(help="Model name; may be left out where there is only one.")]
Namespace = Annotated[str, typer.Option(help="Of the InferenceService.")]
Context = Annotated[str, typer.Option(help="Of the kubeconfig; its current one by default.")]
# Another option than `Context`, though of the same name: without it the present kubeconfig isn't
# used at all.
FromHere = Annotated[
    str,
    typer.Option(
        "--context",
        help=(
            "Drive it from this machine through this context of the kubeconfig, where it reaches"
            " the pods' addresses."
        ),
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        help="Your profile's namespace in Kubeflow, where it has several users: the pod runs there."
    ),
]
ServingImage = Annotated[
    str,
    typer.Option(help="Of the predictor; by default the one that the version was checked with."),
]


@dataclass(frozen=True)
class Place:
    """Where the pod of a rollout is made, and as whom: values of the options of these names."""

    registry: str = ""
    service_account: str = "emotion-run"
    host: str = ""
    auth: str = ""
    profile: str = ""
    ca_file: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A rollout that can begin: Kubeflow answers, and the image of its pod is known."""

    task: Task
    pipeline: str
    client: Kubeflow
    place: Place


@app.command()
def status(
    model: Model = "", namespace: Namespace = "emotion", context: Context = "", store: Store = ""
) -> None:
    """Show where the traffic is, and what each step measured.

    With --store also what the registry in it wants.

    [dim]Examples:[/]
      emotion rollout status fer2013-cnn --context my-cluster
      emotion rollout status --store gs://bucket/store
    """
    _run("status", model, namespace, context, *(["--store", store] if store else []))


@app.command()
def start(
    preset: Annotated[
        str,
        typer.Option(
            help="Whose serving section says where and how; its model's champion is brought."
        ),
    ],
    store: Store = "store",
    serving_image: ServingImage = "",
    context: FromHere = "",
    registry: Registry = "",
    service_account: ServiceAccount = "emotion-run",
    host: Host = "",
    auth: Auth = "",
    profile: Profile = "",
    ca_file: CaFile = None,
) -> None:
    """Bring the registry's champion to the traffic, from a pod of the cluster.

    Print its steps until it serves.

    The deploy step does so for what the gate blesses. After `emotion models approve`, `promote` or
    `rollback` the champion is another than what serves, until this is run: by the same steps, and
    back by itself where one fails. Ctrl-C leaves the pod at work; run again, the command follows
    it. A preset without serving.rollout gets the default policy.

    Exit code 0: it serves · 3: the traffic went back, or stands where a person paused it.

    [dim]Examples:[/]
      emotion rollout start --preset fer2013 --store gs://bucket/store --host http://localhost:8888
      emotion rollout start --preset fer2013 --store gs://bucket/store --serving-image registry/emotion-serving@sha256:...
    """
    chosen = presets.preset(preset)
    if context:
        image = ["--serving-image", serving_image] if serving_image else []
        as_of = _as_of(chosen.model_name, chosen.serving.namespace, store)
        _from_here(
            as_of,
            "start",
            "--preset",
            to_json(with_policy(chosen)),
            "--store",
            store,
            "--context",
            context,
            *image,
        )
    drive(
        prepare(
            start_task(chosen, store, serving_image),
            Place(registry, service_account, host, auth, profile, ca_file),
        )
    )


@app.command()
def resume(
    model: Model = "",
    namespace: Namespace = "emotion",
    store: Store = "store",
    again: Annotated[
        bool, typer.Option("--again", help="Try a version once more that was rolled back.")
    ] = False,
    context: FromHere = "",
    registry: Registry = "",
    service_account: ServiceAccount = "emotion-run",
    host: Host = "",
    auth: Auth = "",
    profile: Profile = "",
    ca_file: CaFile = None,
) -> None:
    """Continue from what the cluster says, from a pod of it: after a pause, or where a pod was lost.

    [dim]Examples:[/]
      emotion rollout resume --store gs://bucket/store --host http://localhost:8888
      emotion rollout resume --store gs://bucket/store --again
    """
    words = ("resume", *["--again"] * again)
    _steer(
        words,
        model,
        namespace,
        store,
        context,
        Place(registry, service_account, host, auth, profile, ca_file),
    )


@app.command()
def pause(model: Model = "", namespace: Namespace = "emotion", context: Context = "") -> None:
    """Stop the rollout with the traffic as it is; nobody watches it until `resume`."""
    _run("pause", model, namespace, context)


@app.command()
def abort(
    model: Model = "",
    namespace: Namespace = "emotion",
    store: Store = "store",
    context: FromHere = "",
    registry: Registry = "",
    service_account: ServiceAccount = "emotion-run",
    host: Host = "",
    auth: Auth = "",
    profile: Profile = "",
    ca_file: CaFile = None,
) -> None:
    """Send the traffic back to the previous version, from a pod of the cluster, and wait until it is there.

    [dim]Example:[/]
      emotion rollout abort --store gs://bucket/store --host http://localhost:8888
    """
    _steer(
        ("abort",),
        model,
        namespace,
        store,
        context,
        Place(registry, service_account, host, auth, profile, ca_file),
    )


def start_task(preset: Preset, store: str, serving_image: str = "") -> Task:
    """Return what brings a preset's champion to the traffic.

    Raises InputError where a cluster can't reach the store.
    """
    from pipelines.cluster import rollouts  # kfp takes seconds to import

    return rollouts.start(with_policy(preset), store, serving_image)


def with_policy(preset: Preset) -> Preset:
    """Return the preset with the default policy where it names no rollout: who asks for one by hand wants one."""
    return replace(
        preset, serving=replace(preset.serving, rollout=preset.serving.rollout or RolloutPolicy())
    )


def prepare(task: Task, place: Place) -> Prepared:
    """Everything that may refuse a rollout before anything is changed.

    Raises:
        InputError: nothing says where Kubeflow is, which is said after what would be done there, or
            where the image is; or the cluster lacks what the pod names.
        EnvironmentProblem: Kubeflow can't be reached.
    """
    from pipelines.cluster import checks, rollouts

    known = bool(place.host) or "KUBERNETES_SERVICE_HOST" in os.environ
    if not known:
        console.print(rollouts.plan(task, place.service_account), markup=False, soft_wrap=True)
    pipeline = rollouts.compiled(task, place.registry) if known else ""
    client = connect(place.host, place.auth, place.profile, place.ca_file)
    claims = filter(None, [claim_of(task.parameters["store"])])
    found = checks.check_named(place.profile or checks.KUBEFLOW, place.service_account, claims)
    found.require_none()
    for line in found.unchecked:
        console.print(f"unchecked: {line}", style="dim", markup=False, soft_wrap=True)
    return Prepared(task, pipeline, client, place)


def drive(prepared: Prepared) -> NoReturn:
    """Start the pod, or find it at work; print its steps, and exit with its code."""
    from pipelines.cluster import rollouts

    task, client = prepared.task, prepared.client
    # What the pod tells to type next was told without knowing where the desk's Kubeflow is.
    as_of = _as_of(task.model, task.namespace, task.parameters["store"])
    run = None
    try:
        run, started = rollouts.begin(
            client, task, prepared.pipeline, prepared.place.service_account
        )
        console.print(
            f"{'started' if started else 'already under way'}: [bold]{escape(run.display_name)}[/]"
            f" ({run.run_id})",
            soft_wrap=True,
        )
        code = rollouts.follow(
            client,
            run.run_id,
            lambda line: console.print(complete_all(line, as_of), markup=False, soft_wrap=True),
        )
    except (KeyboardInterrupt, EnvironmentProblem) as error:
        if run is None and not isinstance(error, KeyboardInterrupt):
            raise
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error).rstrip(".")
        errors.print(
            f"[yellow]{escape(why)}[/]; a pod that was started goes on, and sends the traffic back"
            " where a step fails",
            soft_wrap=True,
        )
        goes_back = hint("rollout", "abort", as_of=as_of)
        errors.print(
            f"Follow it with: {_same(task, as_of)}\nSend the traffic back with: {goes_back}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(
            130 if isinstance(error, KeyboardInterrupt) else EnvironmentProblem.exit_code
        ) from None
    raise typer.Exit(code)


def _same(task: Task, as_of: Sequence[str]) -> str:
    """Return the command that started a task; typed again, it follows its pod."""
    if task.preset:
        return hint(
            "rollout",
            "start",
            as_of=as_of,
            preset=task.preset,
            serving_image=task.parameters["serving_image"],
        )
    return hint("rollout", task.words[0], as_of=as_of, again="--again" in task.words)


def _steer(
    words: tuple[str, ...], model: str, namespace: str, store: str, context: str, place: Place
) -> NoReturn:
    from pipelines.cluster import rollouts

    if context:
        command, *flags = words
        _run(command, model, namespace, context, "--store", store, *flags)
    drive(prepare(rollouts.steer(words, model, namespace, store), place))


def _run(command: str, model: str, namespace: str, context: str, *rest: str) -> NoReturn:
    where = ["--namespace", namespace, *(["--context", context] if context else [])]
    _from_here(
        _as_of(model, namespace, "STORE"), command, *([model] if model else []), *where, *rest
    )


def _from_here(as_of: Sequence[str], *arguments: str) -> NoReturn:
    """Run a command of the component on this machine; what it tells to type next is completed."""
    context = (
        copy_context()
    )  # the readers of its output are threads, which know of no present command

    def told(console: Console) -> Callable[[str], None]:
        return lambda line: console.print(
            context.copy().run(complete_all, line, as_of), markup=False, soft_wrap=True
        )

    raise typer.Exit(
        run_component("deployment", ["rollout", *arguments], (told(console), told(errors)))
    )


def _as_of(model: str, namespace: str, store: str) -> tuple[str, ...]:
    """Return the options of a rollout as of a command, for what is told to be typed next."""
    return ("rollout", "resume", *filter(None, [model]), "--namespace", namespace, "--store", store)
