"""`emotion schema`: the curated schema that a preset's columns are held against."""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import InputError
from components.shared.records import AcceptedSnapshot, read_record
from components.shared.serialization import json_object, to_json
from components.shared.store import keys
from components.shared.store.interface import Store as OpenStore
from components.shared.store.interface import open_store
from pipelines import code_version, presets
from pipelines.cli.hints import Group, hint
from pipelines.cli.terminal import Store, console
from pipelines.local.environments import run_component

SCHEMAS = code_version.ROOT / "components" / "validation" / "distributions" / "schemas"

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="The curated schema of a preset: types, presence and domains of its columns.",
)


@app.callback()
def schema() -> None:
    """Show and keep the curated schema of a preset: types, presence and domains of its columns."""


@app.command()
def update(
    preset: Annotated[str, typer.Option(help="Name of a preset; `emotion presets` lists them.")],
    snapshot: Annotated[
        str,
        typer.Option(
            help="A snapshot's id, or its beginning. By default the last that was accepted."
        ),
    ] = "",
    store: Store = "store",
    write: Annotated[
        bool,
        typer.Option("--write", help="Write the file; without it the difference is only shown."),
    ] = False,
) -> None:
    """Show what a snapshot would change in a preset's schema, and write it with --write.

    Domains only grow: what you widened by hand stays. Edit the file to make one narrower.

    [dim]Examples:[/]
      emotion schema update --preset fer2013-cnn
      emotion schema update --preset fer2013-cnn --snapshot 59f2d739 --write
    """
    chosen = presets.preset(preset)
    opened = open_store(store)
    key = _statistics(opened, preset, snapshot)
    path = SCHEMAS / f"{preset}.pbtxt"
    with tempfile.TemporaryDirectory(prefix="emotion-schema-") as scratch:
        given, statistics, output = (
            Path(scratch) / name for name in ("preset.json", "statistics.pb", "proposed.pbtxt")
        )
        given.write_text(to_json(chosen))
        statistics.write_bytes(opened.read(key) or b"")
        arguments: list[str | Path] = [
            "--preset",
            given,
            "--statistics",
            statistics,
            "--schemas",
            SCHEMAS,
            "--output",
            output,
        ]
        with console.status("reading statistics"):
            exit_code = run_component("validation", ["propose-schema", *arguments])
        if exit_code:
            raise typer.Exit(exit_code)
        proposed = output.read_text(encoding="utf-8")
    _tell(path, proposed, write)


def _tell(path: Path, proposed: str, write: bool) -> None:
    standing = path.read_text(encoding="utf-8") if path.is_file() else ""
    name = path.relative_to(code_version.ROOT).as_posix()
    if proposed == standing:
        console.print(f"{name} holds for this snapshot as it is")
        return
    difference = difflib.unified_diff(
        standing.splitlines(keepends=True),
        proposed.splitlines(keepends=True),
        name if standing else "/dev/null",
        name,
    )
    console.print(Syntax("".join(difference), "diff", background_color="default", word_wrap=True))
    if write:
        write_atomically(path, proposed.encode())
        console.print(f"wrote {name}")
    else:
        console.print("nothing was written; add --write to keep it")


def _statistics(store: OpenStore, preset: str, snapshot: str) -> str:
    """Key of the statistics of the wanted snapshot.

    Raises:
        InputError: no snapshot fits, or several do.
    """
    known = {
        key.split("/")[2]: key
        for key in store.list("snapshots")
        if key.endswith("/statistics.pb") and key.count("/") == 3
    }
    if snapshot:
        fitting = [name for name in known if name.startswith(snapshot)]
    else:
        fitting = [name for name in known if name in _accepted(store, preset)]
    if len(fitting) != 1:
        wanted = f"the id {snapshot}" if snapshot else f"the preset {preset}"
        raise InputError(
            f"{'several snapshots' if fitting else 'no snapshot with statistics'} in {store.uri}"
            f" for {wanted}",
            expected=f"one of {', '.join(name[:12] for name in fitting or known)}" if known else "",
            fix=(
                "name one with --snapshot" if known else f"run `{hint('run', preset=preset)}` first"
            ),
        )
    return known[fitting[0]]


def _accepted(store: OpenStore, preset: str) -> set[str]:
    """Snapshots that are the last accepted of their source, by runs of the preset."""
    found = set()
    for key in store.list("snapshots"):
        if key.endswith("/accepted") and key.count("/") == 2:
            accepted = read_record(AcceptedSnapshot, store.read(key), key)
            if accepted is None:
                continue
            evidence = json_object(store.read(keys.evidence(accepted.run_id, "resolve")))
            resolved = json_object(evidence.get("findings", {}).get("preset_json"))
            if resolved.get("name") == preset:
                found.add(accepted.snapshot_id)
    return found
