"""Files of a model that other projects ask for; written on request alone, and never read here.

Both hold the served function of emotion6-cnn, uint8 pixels ``[n, 64, 64, 3]`` to probabilities. A
joblib file is pickle: whoever opens one runs what is in it.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import keras

from components.shared.artifacts import contract
from components.shared.errors import InputError

PRESETS = ("emotion6-cnn",)
FILES = {"h5": "model.h5", "joblib": "emotion_classification.pkl"}


def write(model: Path, form: str, folder: Path) -> Path:
    """Write a model artifact's network as ``form``, a key of `FILES`, into ``folder``.

    The file's path.

    Raises:
        ContractError: the artifact isn't whole. InputError: this preset's models have no such
            files.
    """
    preset = contract.verified_model(model).preset
    if preset not in PRESETS:
        raise InputError(
            "there is no such file for this model",
            expected=f"a model of {', '.join(PRESETS)}",
            received=preset,
        )
    network = keras.saving.load_model(model / "model.keras", compile=False)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as scratch:
        written = Path(scratch) / FILES[form]
        _dump(network, form, written)
        os.replace(written, folder / FILES[form])
    return folder / FILES[form]


def _dump(network: keras.Model, form: str, file: Path) -> None:
    if form == "h5":
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # that the format is an old one, which is why it was asked for
            network.save(file)
        return
    import joblib

    joblib.dump(network, file)
