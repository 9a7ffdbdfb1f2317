"""Presets: one frozen value per file.

A module's docstring says the command, the time it takes and the score it reaches.
"""

from __future__ import annotations

from dataclasses import replace

from components.shared.errors import UnknownNameError
from components.shared.preset import Preset
from pipelines.presets.emotion5_efficientnetv2b0 import EMOTION5_EFFICIENTNETV2B0
from pipelines.presets.emotion6_cnn import EMOTION6_CNN
from pipelines.presets.fer2013 import FER2013
from pipelines.presets.fer2013_cnn import FER2013_CNN
from pipelines.presets.fer2013_deep_cnn import FER2013_DEEP_CNN
from pipelines.presets.fer2013_fast import FER2013_FAST
from pipelines.presets.ferplus import FERPLUS
from pipelines.presets.happy_binary import HAPPY_BINARY
from pipelines.presets.synthetic_faces import SYNTHETIC_FACES

DEFAULT = SYNTHETIC_FACES.name

PRESETS: dict[str, Preset] = {
    "synthetic-faces": SYNTHETIC_FACES,
    "emotion5-efficientnetv2b0": EMOTION5_EFFICIENTNETV2B0,
    "fer2013-cnn": FER2013_CNN,
    "emotion6-cnn": EMOTION6_CNN,
    "happy-binary": HAPPY_BINARY,
    "fer2013-deep-cnn": FER2013_DEEP_CNN,
    "fer2013-fast": FER2013_FAST,
    "fer2013": FER2013,
    "ferplus": FERPLUS,
}


def preset(name: str) -> Preset:
    """Return the preset called ``name``. Raises UnknownNameError with the nearest name."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]


def forced(preset: Preset) -> Preset:
    """Return the preset for a run that is to train whatever stands.

    Without taking the champion again.
    """
    return replace(preset, training=replace(preset.training, reuse_model=False))
