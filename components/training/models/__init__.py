"""Architectures, one file each family.

Each takes float32 ``[n, height, width, channels]`` from -1 to 1 and gives logits ``[n, labels]``.
Where those floats come from is the same for all of them: `rescaling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import keras

from components.shared.errors import InputError, UnknownNameError
from components.shared.preset import ImageSpec
from components.training.models.backbones import BACKBONES, backbone_of, freeze, on_backbone
from components.training.models.deep_cnn import fer2013_deep_cnn
from components.training.models.fer2013_cnn import fer2013_cnn
from components.training.models.plain_cnn import emotion6_cnn, happy_cnn
from components.training.models.residual_cnn import fer2013_fast, fer2013_wide
from components.training.models.small_cnn import small_cnn

__all__ = ["ARCHITECTURES", "Architecture", "backbone_of", "build", "freeze", "rescaling"]


class Builder(Protocol):
    """Makes the untrained network of one architecture."""

    def __call__(self, image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model: ...


@dataclass(frozen=True)
class Architecture:
    """An architecture that a preset can name.

    Attributes:
        smallest_side: of an image that it can take, in pixels.
    """

    builder: Builder
    smallest_side: int = 16


ARCHITECTURES: dict[str, Architecture] = {
    "small-cnn": Architecture(small_cnn),
    "fer2013-cnn": Architecture(fer2013_cnn),
    "fer2013-deep-cnn": Architecture(fer2013_deep_cnn),
    "fer2013-fast": Architecture(fer2013_fast),
    "fer2013-wide": Architecture(fer2013_wide),
    "emotion6-cnn": Architecture(emotion6_cnn, 22),
    "happy-cnn": Architecture(happy_cnn, 22),
    **{name: Architecture(partial(on_backbone, name), 32) for name in BACKBONES},
}


def build(name: str, image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Return the untrained network called ``name``; its weights follow Keras's global seed.

    Args:
        dropout: share of activations dropped before the last layer. l2: factor of the squared
            kernels in the loss.

    Raises:
        UnknownNameError: there is no such architecture; names the nearest.
        InputError: images too small for it, or a factor out of range.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    smallest = ARCHITECTURES[name].smallest_side
    if min(image.height, image.width) < smallest:
        raise InputError(
            f"the architecture {name} can't take images of {image.height}x{image.width}",
            expected=f"at least {smallest} pixels a side",
            fix="choose a larger data.image in the preset",
        )
    if not 0 <= dropout < 1 or l2 < 0:
        raise InputError(
            "dropout or l2 is out of range",
            expected="0 <= dropout < 1 and l2 >= 0",
            received=f"dropout {dropout}, l2 {l2}",
        )
    return ARCHITECTURES[name].builder(image, labels, dropout, l2)


def rescaling() -> keras.layers.Layer:
    """Pixels 0 to 255, uint8 or float, to float32 -1 to 1.

    In front of every network, in training and in the exported files.
    """
    return keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")
