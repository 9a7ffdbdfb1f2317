"""What all commands share: the terminal and the options that mean the same everywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

# Bound to the real streams: while a run is under way, sys.stdout is its log.
console = Console(file=sys.stdout, highlight=False)
errors = Console(file=sys.stderr, highlight=False)

Runs = Annotated[Path, typer.Option(help="Folder of runs: reports, summaries, logs.")]
Store = Annotated[
    str,
    typer.Option(
        help="What outlives runs: snapshots, models, checkpoints. A folder, gs://bucket/prefix or s3://bucket/prefix."
    ),
]
Model = Annotated[str, typer.Option("--model", help="Which model, where the store holds several.")]
