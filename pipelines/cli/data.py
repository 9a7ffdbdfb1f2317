"""`emotion forget` and `emotion relabel`: what a person decides about single pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.shared.store.interface import open_store
from pipelines.cli.terminal import Store
from pipelines.local.environments import run_component

By = Annotated[str, typer.Option(help="Who decides; it is kept beside the decision.")]


def forget(
    name: Annotated[
        str, typer.Argument(help="Example id, content id, or the picture's path in its source.")
    ],
    by: By,
    store: Store = "store",
) -> None:
    """Keep a picture out of every later snapshot, and list the model versions that were trained on it.

    Every pixel-exact copy goes with it, under whatever name. Files in the source and earlier
    snapshots stay as they are.

    [dim]Example:[/]
      emotion forget train/happy/Training_1206.jpg --by anna
    """
    _decide("forget", name, by, store)


def relabel(
    file: Annotated[
        Path,
        typer.Argument(
            help=(
                "CSV with example_id,source_uri,old_label,label,by,at, as a run's"
                " doubtful_labels.csv has."
            )
        ),
    ],
    by: By,
    store: Store = "store",
) -> None:
    """Give rows another label from the next night on.

    A row is named by its example id or, without one, by its path in the source. Where old_label
    stands, the new label holds for as long as the source says the old one.

    [dim]Example:[/]
      emotion relabel runs/latest/doubtful_labels.csv --by anna
    """
    _decide("relabel", str(file), by, store)


def _decide(what: str, name: str, by: str, store: str) -> None:
    raise typer.Exit(
        run_component("ingestion", [what, name, "--by", by, "--store", open_store(store).uri])
    )
