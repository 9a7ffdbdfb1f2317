"""Presets: one frozen value per file; a module's docstring says the command, the time it takes and the score it reaches."""

from __future__ import annotations

from components.contracts.errors import UnknownNameError
from components.contracts.preset import Preset
from pipelines.presets.fer2013_cnn import FER2013_CNN
from pipelines.presets.synthetic_faces import SYNTHETIC_FACES

DEFAULT = SYNTHETIC_FACES.name

PRESETS: dict[str, Preset] = {
    "synthetic-faces": SYNTHETIC_FACES,
    "fer2013-cnn": FER2013_CNN,
}


def preset(name: str) -> Preset:
    """The preset called ``name``. Raises UnknownNameError with the nearest name."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]
