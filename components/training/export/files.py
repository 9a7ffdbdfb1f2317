"""Export.

One function, uint8 pixels to calibrated probabilities, in three files that are proven to agree.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import keras
import numpy as np

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import ContractError
from components.shared.images.decode import Pixels
from components.shared.preset import ImageSpec
from components.training.backend.files import (
    Floats,
    convert_to_lite,
    run_lite,
    run_saved_model,
    write_saved_model,
)
from components.training.models import rescaling

SERVED_FILE = "model.tflite"
KERAS_FILE = "model.keras"
SAVED_MODEL = "saved_model"
LARGEST_DIFFERENCE = 1e-4
COMPARED_IMAGES = 500
NO_DATE = "1980-01-01@00:00:00"


def scored_network(network: keras.Model, image: ImageSpec, flip: bool) -> keras.Model:
    """uint8 ``[n, height, width, channels]`` to float32 logits ``[n, labels]``, from layers of Keras alone.

    Args:
        flip: average the logits of each image and its mirror image.
    """
    pixels = keras.Input((image.height, image.width, image.channels), dtype="uint8", name="pixels")
    rescaled = rescaling()(pixels)
    logits = network(rescaled)
    if flip:
        logits = keras.layers.Average(name="flip_averaged")(
            [logits, network(rescaled[:, :, ::-1, :])]
        )
    return keras.Model(pixels, logits, name="scored")


def served_network(
    network: keras.Model, image: ImageSpec, temperature: float, flip: bool = False
) -> keras.Model:
    """uint8 ``[n, height, width, channels]`` to float32 probabilities ``[n, labels]``.

    See `scored_network`.
    """
    scored = scored_network(network, image, flip)
    calibrated = keras.layers.Rescaling(1 / temperature, name="temperature")(scored.output)
    return keras.Model(
        scored.input, keras.layers.Softmax(name="probabilities")(calibrated), name="served"
    )


def write_files(served: keras.Model, folder: Path) -> None:
    """Write model.keras, saved_model/ and model.tflite into ``folder``.

    The LiteRT file is converted from the SavedModel.
    """
    served.save(folder / KERAS_FILE)
    _forget_circumstances(folder / KERAS_FILE)
    write_saved_model(served, folder / SAVED_MODEL)
    (folder / SERVED_FILE).write_bytes(convert_to_lite(folder / SAVED_MODEL))


def proven_difference(folder: Path, pixels: Pixels) -> float:
    """Load the three files, ask each for the same images, and return their largest difference of a probability.

    Raises:
        ContractError: it is beyond 1e-4, or an answer isn't a number.
    """
    answers = {
        SERVED_FILE: run_lite((folder / SERVED_FILE).read_bytes(), pixels),
        SAVED_MODEL: run_saved_model(folder / SAVED_MODEL, pixels),
        KERAS_FILE: np.asarray(
            keras.saving.load_model(folder / KERAS_FILE, compile=False).predict_on_batch(pixels)
        ),
    }
    return largest_difference(answers)


def largest_difference(answers: dict[str, Floats]) -> float:
    """Largest difference to the served file's answers.

    Raises ContractError as `proven_difference` does.
    """
    reference, largest = answers[SERVED_FILE], 0.0
    for name, answer in answers.items():
        difference = (
            float(np.abs(answer - reference).max())
            if answer.shape == reference.shape
            else float("nan")
        )
        if not difference <= LARGEST_DIFFERENCE:
            raise ContractError(
                f"the exported files don't agree: {name} differs from {SERVED_FILE}",
                expected=f"probabilities within {LARGEST_DIFFERENCE:g}",
                received=f"{difference:g} on {len(reference)} images",
                fix="look for a layer that LiteRT computes differently; nothing was exported",
            )
        largest = max(largest, difference)
    return largest


def file_bytes(folder: Path) -> dict[str, int]:
    """Size of each of the three."""
    return {
        name: sum(path.stat().st_size for path in _files(folder / name))
        for name in (SERVED_FILE, KERAS_FILE, SAVED_MODEL)
    }


def _files(path: Path) -> list[Path]:
    return [inner for inner in path.rglob("*") if inner.is_file()] if path.is_dir() else [path]


def _forget_circumstances(path: Path) -> None:
    """Rewrite a .keras file without the time of its writing and addresses in memory, so that equal models are equal files."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members["metadata.json"] = json.dumps(
        {**json.loads(members["metadata.json"]), "date_saved": NO_DATE}, sort_keys=True
    ).encode()
    numbers: dict[bytes, int] = {}
    members["config.json"] = re.sub(
        rb'("shared_object_id": )(\d+)',
        lambda found: found[1] + str(numbers.setdefault(found[2], len(numbers))).encode(),
        members["config.json"],
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    write_atomically(path, stream.getvalue())
