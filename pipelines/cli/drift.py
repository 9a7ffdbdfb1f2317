"""`emotion drift`: does what is served still look like what was trained on?"""

from __future__ import annotations

from typing import Annotated

import typer

from components.deployment.registry.registry import Registry, model_names
from components.shared.errors import ContractError, InputError
from components.shared.serialization import to_json
from components.shared.store.interface import Store as OpenStore
from components.shared.store.interface import open_store
from pipelines import presets
from pipelines.cli.terminal import Model, Store
from pipelines.local.environments import run_component


def drift(
    since: Annotated[
        str, typer.Option(help="How far to look back: 7d, 12h, 30m, or a date as 2026-11-14 (UTC).")
    ] = "7d",
    store: Store = "store",
    model: Model = "",
    version: Annotated[str, typer.Option(help="That served; by default what serves now.")] = "",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object instead of a table.")
    ] = False,
) -> None:
    """Compare what was served with what the version was trained on.

    The predictor keeps features and answers of a share of its requests where the preset says
    serving.payload, and no picture. Brightness, contrast, sharpness and entropy are compared with
    the training rows by Jensen-Shannon divergence, the answered labels with the training labels by
    L-infinity distance; the bounds are max_feature_drift and max_label_drift of the preset's
    validation section. Width and height are only told. What was found is kept in the store, where
    the next night's retraining policy reads it.

    Exit code 0: within the bounds · 3: something drifted · 2: too few rows to tell, or wrong input.

    [dim]Examples:[/]
      emotion drift --since 7d --store gs://bucket/store
      emotion drift --since 2026-11-14 --model fer2013 --json
    """
    opened = open_store(store)
    names = [model] if model else model_names(opened)
    if len(names) != 1 or names[0] not in model_names(opened):
        raise InputError(
            "which model?",
            expected=", ".join(model_names(opened)) or "a model in the store",
            received=model,
            fix="name one with --model",
        )
    registry = Registry(opened, names[0])
    chosen = version or _serving(registry)
    manifest = registry.manifest(chosen)
    arguments = [
        "--preset",
        to_json(presets.preset(manifest.preset)),
        "--store",
        store,
        "--version",
        chosen,
    ]
    arguments += [
        "--statistics",
        _statistics(opened, manifest.snapshot_id),
        "--since",
        since,
        *(["--json"] if json else []),
    ]
    raise typer.Exit(run_component("validation", ["drift", *arguments]))


def _serving(registry: Registry) -> str:
    """Return the version that a rollout proved; the champion where none was rolled out."""
    pointer = registry.serving() or registry.pointers().champion
    if pointer is None:
        raise InputError(f"nothing serves of {registry.name}", fix="name a --version")
    return pointer.version


def _statistics(store: OpenStore, snapshot_id: str) -> str:
    """Key of a snapshot's statistics."""
    found = [
        key for key in store.list("snapshots") if key.endswith(f"/{snapshot_id}/statistics.pb")
    ]
    if not found:
        raise ContractError(
            f"the statistics of snapshot {snapshot_id[:12]} aren't in the store",
            fix="compare a newer version",
        )
    return found[0]
