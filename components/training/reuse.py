"""Take the champion again instead of training, where the preset says so. Needs no Keras."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from components.shared.artifacts import contract
from components.shared.artifacts.contract import MARKERS, ModelManifest
from components.shared.findings import TrainFindings
from components.shared.preset import Preset
from components.shared.step.frame import Context
from components.shared.store import keys
from components.shared.store.registry import read_pointers
from components.training.data.inputs import Inputs

_EXPORTED = ("model.tflite", "model.keras", "saved_model")


def champion_of(context: Context) -> Path | None:
    """Return the champion's verified folder where it has the preset's architecture, labels and input, else None."""
    preset = context.preset
    champion = read_pointers(context.store, preset.model_name).champion
    if champion is None:
        return None
    key = keys.version(preset.model_name, champion.version)
    folder = context.store.get_tree(key, MARKERS["model"], context.scratch / "champion")
    manifest = contract.verified_model(folder)
    wanted = (preset.training.architecture, preset.data.labels, preset.data.image)
    return folder if (manifest.architecture, manifest.labels, manifest.image) == wanted else None


def take(
    champion: Path, model: Path, inputs: Inputs, preset: Preset
) -> tuple[TrainFindings, ModelManifest]:
    """Copy the champion to ``model``, its marker last.

    The findings tell its history, without times.
    """
    manifest = contract.verified_model(champion)
    contract.start(model)
    shutil.copytree(
        champion, model, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARKERS["model"])
    )
    contract.finish(model, "model", manifest)
    history = {
        name: tuple(values)
        for name, values in json.loads((model / "history.json").read_bytes()).items()
    }
    scores = (
        history["val_accuracy"]
        if preset.training.monitor == "accuracy"
        else [-loss for loss in history["val_loss"]]
    )
    files = [path for path in model.rglob("*") if path.is_file()]
    sizes = {
        name: sum(path.stat().st_size for path in files if path.relative_to(model).parts[0] == name)
        for name in _EXPORTED
    }
    findings = TrainFindings(
        architecture=manifest.architecture,
        parameters=manifest.parameters,
        device="none: an existing model was taken",
        seed=manifest.seed,
        train_rows=len(inputs.training),
        validation_rows=len(inputs.validation),
        history=history,
        best_epoch=scores.index(max(scores)) + 1,
        stages=(1,),
        images_per_second=0.0,
        temperature=manifest.temperature,
        ece_before=0.0,
        ece_after=0.0,
        export_difference=0.0,
        file_bytes=sizes,
        reused_version=manifest.version,
    )
    return findings, manifest
