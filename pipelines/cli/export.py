"""`emotion export`: a model's file in a form that other projects ask for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from components.deployment.registry import lineage
from components.shared.store import keys
from components.shared.store.interface import open_store
from pipelines.cli.terminal import Model, Store
from pipelines.local.environments import run_component


class Form(StrEnum):
    """What can be asked for."""

    H5 = "h5"
    JOBLIB = "joblib"


def export(
    version: Annotated[
        str,
        typer.Argument(
            help="A version of emotion6-cnn, or its first digits; `emotion models` lists them."
        ),
    ],
    form: Annotated[
        Form, typer.Option("--format", help="h5: model.h5; joblib: emotion_classification.pkl.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write the file into.")
    ] = Path("build"),
    store: Store = "store",
    model: Model = "",
) -> None:
    """Write model.h5 or emotion_classification.pkl of a version of emotion6-cnn, for those who depend on them.

    Nothing here ever reads either. A joblib file is pickle: whoever opens one runs what is in it.

    [dim]Example:[/]
      emotion export 0123456789ab --format h5
    """
    opened = open_store(store)
    registry, whole = lineage.find(opened, version, model)
    key = keys.version(registry.name, whole)
    arguments = [
        "export",
        "--store",
        opened.uri,
        "--key",
        key,
        "--format",
        form.value,
        "--output",
        output.absolute(),
    ]
    raise typer.Exit(run_component("training", arguments))
