"""A trained network becomes the files of the model artifact.

Calibrated, exported, proven equal, with golden images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.shared.artifacts import contract
from components.shared.images.decode import Pixels
from components.shared.preset import Preset
from components.shared.serialization import to_pretty_json
from components.training.backend.files import run_lite
from components.training.data.examples import read_encoded
from components.training.data.images import Images
from components.training.data.inputs import Inputs
from components.training.export import files
from components.training.export.golden import write_golden
from components.training.fit.calibration import Calibration, calibrate
from components.training.fit.loop import Data
from components.training.fit.state import TIMES, Standing
from components.training.fit.trainer import SCORED_AT_ONCE


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        difference: largest difference of a probability between the three files, on
            ``compared_images`` images.
    """

    calibrated: Calibration
    difference: float
    compared_images: int
    file_bytes: dict[str, int]


def write_model(
    folder: Path,
    network: keras.Model,
    standing: Standing,
    inputs: Inputs,
    data: Data,
    preset: Preset,
) -> Written:
    """Everything of the model artifact but its marker."""
    contract.start(folder)
    image, flip = preset.data.image, preset.training.test_time_augmentation == "flip"
    calibrated = calibrate(
        _logits(files.scored_network(network, image, flip), data.validation), data.validation.labels
    )
    files.write_files(files.served_network(network, image, calibrated.temperature, flip), folder)
    lite = (folder / files.SERVED_FILE).read_bytes()
    originals = dict(read_encoded(inputs.folder, inputs.snapshot, set(inputs.golden)))
    golden = write_golden(
        folder / "golden", originals, image, lambda pixels: run_lite(lite, pixels)
    )
    compared = _compared(golden, data)
    history = {name: values for name, values in standing.history.items() if name not in TIMES}
    contract.write_atomically(folder / "history.json", to_pretty_json(history).encode())
    return Written(
        calibrated,
        files.proven_difference(folder, compared),
        len(compared),
        files.file_bytes(folder),
    )


def _logits(scored: keras.Model, images: Images) -> np.ndarray:
    starts = range(0, len(images.labels), SCORED_AT_ONCE)
    return np.concatenate(
        [
            np.asarray(scored.predict_on_batch(images.pixels[start : start + SCORED_AT_ONCE]))
            for start in starts
        ]
    )


def _compared(golden: Pixels, data: Data) -> Pixels:
    """Images to compare the files on.

    Golden, held-out, then training ones, 500 in all where there are as many.
    """
    images = golden
    for source in (data.validation.pixels, data.training.pixels):
        images = np.concatenate([images, source[: max(files.COMPARED_IMAGES - len(images), 0)]])
    return images[: files.COMPARED_IMAGES]
