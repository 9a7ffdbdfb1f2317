"""`emotion sweep`: trainings of one preset with varied fields, on a snapshot that a run accepted."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from components.shared.artifacts.contract import (
    MARKERS,
    Sampling,
    Snapshot,
    read_marker,
    write_atomically,
)
from components.shared.errors import ContractError, InputError
from components.shared.preset import Preset
from components.shared.records import AcceptedSnapshot, read_record
from components.shared.serialization import from_json, to_json
from components.shared.store import keys
from components.shared.store.interface import Store as StoreOf
from components.shared.store.interface import open_store
from pipelines import preset_source, presets
from pipelines.cli.hints import hint
from pipelines.cli.terminal import Store, console
from pipelines.local.environments import run_component


def sweep(
    set_: Annotated[
        list[str],
        typer.Option(
            "--set", help="A field and what it may be: learning_rate=0.01..0.3, batch_size=64,128."
        ),
    ],
    preset: Annotated[
        str, typer.Option(help="Name of a preset; `emotion presets` lists them.")
    ] = presets.DEFAULT,
    trials: Annotated[
        int, typer.Option(min=1, help="End when so many are finished, earlier ones included.")
    ] = 20,
    minutes: Annotated[float, typer.Option(help="Begin no trial after so many minutes.")] = 60 * 24,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the sweep; sweeps/<preset> by default."),
    ] = None,
    snapshot: Annotated[
        str,
        typer.Option(
            help="First digits of an accepted snapshot, where the store holds several that fit."
        ),
    ] = "",
    store: Store = "store",
) -> None:
    """Look for better training settings: many trainings, judged on held-out training groups, the hopeless ended early.

    The images are those of a snapshot that a run accepted. Run the same command again to go on
    after a kill, or with more --trials. The folder then holds study.db (Optuna), trials.csv,
    sweep.png, best.json and best.diff, which `git apply` brings into the preset.

    A range over a factor of ten or more is drawn on a logarithmic scale. Fields are those of the
    training policy, of its first stage, or dotted: stages.1.learning_rate, augmentation.mixup.

    [dim]Examples:[/]
      emotion sweep --set learning_rate=0.0005..0.01 --set batch_size=32,64,128
      emotion sweep --preset fer2013-fast --set learning_rate=0.03..0.3 --set augmentation.erasing=0,0.25 --minutes 240
    """
    chosen = presets.preset(preset)
    folder = (output or Path("sweeps") / preset).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "preset.json"
    write_atomically(file, to_json(chosen).encode())
    opened = open_store(store)
    examples = opened.get_tree(
        _accepted(opened, chosen, snapshot), MARKERS["examples"], folder / "examples"
    )
    plan = _sampling_plan(folder, examples, file)
    options = ["--trials", str(trials), "--minutes", str(minutes)]
    given = [part for text in set_ for part in ("--set", text)]
    inputs: list[str | Path] = ["--examples", examples, "--sampling-plan", plan, "--preset", file]
    code = run_component("training", ["sweep", "--folder", folder, *inputs, *options, *given])
    if code:
        raise typer.Exit(code)
    _write_diff(chosen, folder)


def _accepted(store: StoreOf, preset: Preset, wanted: str) -> str:
    """Key of the accepted snapshot that has the preset's labels.

    Of several, the one that a run of this very preset accepted.
    """
    found: dict[str, str] = {}
    own: set[str] = set()
    for key in store.list("snapshots"):
        source, _, name = key.removeprefix("snapshots/").partition("/")
        if name != "accepted":
            continue
        accepted = read_record(AcceptedSnapshot, store.read(key), key)
        if accepted is None:
            continue
        place = keys.snapshot(source, accepted.snapshot_id)
        content = store.read(f"{place}/{MARKERS['examples']}")
        if content and from_json(Snapshot, content, "snapshot").labels == preset.data.labels:
            found[accepted.snapshot_id] = place
            if accepted.run_id.endswith(f"-{preset.name}"):
                own.add(accepted.snapshot_id)
    fitting = [
        place
        for name, place in found.items()
        if name.startswith(wanted) and (wanted or not own or name in own)
    ]
    if len(fitting) != 1:
        raise InputError(
            f"{'no' if not fitting else 'more than one'} accepted snapshot in {store.uri} fits the"
            f" preset {preset.name}",
            expected=(
                f"--snapshot {' or '.join(name[:12] for name in found)}"
                if found
                else "a run of it that the data checks let through"
            ),
            fix=f"run `{hint('run', preset=preset.name)}` first" if not found else "",
        )
    return fitting[0]


def _sampling_plan(folder: Path, examples: Path, preset: Path) -> Path:
    """Return the plan by the preset's own answer to imbalance, made once."""
    plan, snapshot = folder / "plan", read_marker(examples, "examples", Snapshot)
    try:
        if read_marker(plan, "sampling_plan", Sampling).snapshot_id == snapshot.snapshot_id:
            return plan
    except ContractError:
        pass  # there is none yet
    frame: list[str | Path] = [
        "--store",
        folder / "store",
        "--run-id",
        "sweep",
        "--preset",
        f"@{preset}",
    ]
    code = run_component(
        "resampling", ["resample", *frame, "--examples", examples, "--sampling-plan", plan]
    )
    if code:
        raise typer.Exit(code)
    return plan


def _write_diff(preset: Preset, folder: Path) -> None:
    best = from_json(Preset, (folder / "best.json").read_bytes(), "best.json")
    path, before = preset_source.of(preset.name)
    after = preset_source.edited(before, preset.training, best.training)
    name = path.as_posix()
    diff = "".join(
        difflib.unified_diff(
            before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}"
        )
    )
    write_atomically(folder / "best.diff", diff.encode())
    console.print(
        f"\n{diff or 'the preset is the best already'}\n{folder}/best.diff brings it into the"
        " preset: git apply",
        markup=False,
        soft_wrap=True,
    )
