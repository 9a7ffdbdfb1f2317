"""`emotion rollout`: a version's way to the traffic of a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from components.contracts.codec import to_json
from pipelines import presets
from pipelines.commands.terminal import Store
from pipelines.environments import run_component
from pipelines.hints import Group

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="See and steer how a new version gets the traffic of a cluster: dark launch, smoke test, 10, 50, 100 %, or back.\n\n"
    "The deploy step drives it. Its state stands in the InferenceService, so any of these works after a kill, "
    "and a step that is run again goes on from there.",
)

Model = Annotated[str, typer.Argument(help="Model name; may be left out where there is only one.")]
Namespace = Annotated[str, typer.Option(help="Of the InferenceService.")]
Context = Annotated[str, typer.Option(help="Of the kubeconfig; its current one by default.")]


@app.command()
def status(
    model: Model = "",
    namespace: Namespace = "emotion",
    context: Context = "",
    store: Store = "",
) -> None:
    """Show where the traffic is, and what each step measured; with --store also what the registry in it wants.

    [dim]Examples:[/]
      emotion rollout status fer2013-cnn --context my-cluster
      emotion rollout status --store gs://bucket/store
    """
    _run("status", model, namespace, context, *(["--store", store] if store else []))


@app.command()
def start(
    preset: Annotated[str, typer.Option(help="Whose serving section says where and how; its model's champion is brought.")],
    context: Context = "",
    store: Store = "store",
    serving_image: Annotated[str, typer.Option(help="Of the predictor; by default the one that serves.")] = "",
) -> None:
    """Bring the registry's champion to the traffic.

    The deploy step does so for what the gate blesses. After `emotion models approve`, `promote` or `rollback` the
    champion is another than what serves, until this is run: by the same steps, and back by itself where one fails.
    It sends golden images to the new version, so it runs where the cluster's addresses are known: in a pod.

    [dim]Examples:[/]
      emotion rollout start --preset fer2013 --store gs://bucket/store
      emotion rollout start --preset fer2013 --store gs://bucket/store --serving-image registry/emotion-serving@sha256:...
    """
    chosen = ["--preset", to_json(presets.preset(preset)), "--store", store]
    where = ["--context", context] if context else []
    image = ["--serving-image", serving_image] if serving_image else []
    raise typer.Exit(run_component("deployment", ["rollout", "start", *chosen, *where, *image]))


@app.command()
def resume(
    model: Model = "",
    namespace: Namespace = "emotion",
    context: Context = "",
    store: Store = "store",
    again: Annotated[bool, typer.Option("--again", help="Try a version once more that was rolled back.")] = False,
) -> None:
    """Continue from what the cluster says: after a pause, a kill, or Ctrl-C.

    It sends golden images to the new version, so it runs where the cluster's addresses are known: in a pod.

    [dim]Examples:[/]
      emotion rollout resume --store gs://bucket/store
      emotion rollout resume --store gs://bucket/store --again
    """
    _run("resume", model, namespace, context, "--store", store, *(["--again"] if again else []))


@app.command()
def pause(model: Model = "", namespace: Namespace = "emotion", context: Context = "") -> None:
    """Stop the rollout with the traffic as it is; nobody watches it until `resume`."""
    _run("pause", model, namespace, context)


@app.command()
def abort(model: Model = "", namespace: Namespace = "emotion", context: Context = "", store: Store = "store") -> None:
    """Send the traffic back to the previous version, and wait until it is there.

    [dim]Example:[/]
      emotion rollout abort --store gs://bucket/store
    """
    _run("abort", model, namespace, context, "--store", store)


def _run(command: str, model: str, namespace: str, context: str, *rest: str) -> None:
    chosen = [model] if model else []
    where = ["--namespace", namespace, *(["--context", context] if context else [])]
    raise typer.Exit(run_component("deployment", ["rollout", command, *chosen, *where, *rest]))
