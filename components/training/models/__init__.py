"""Architectures, one per file.

Each takes float32 ``[n, height, width, channels]`` from -1 to 1 and gives logits ``[n, labels]``.
Where those floats come from is the same for all of them: `rescaling`.
"""

from __future__ import annotations

from typing import Protocol

import keras

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.preset import ImageSpec
from components.training.models.fer2013_cnn import fer2013_cnn
from components.training.models.small_cnn import small_cnn

SMALLEST_SIDE = 16


class Builder(Protocol):
    """Makes the untrained network of one architecture."""

    def __call__(self, image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model: ...


ARCHITECTURES: dict[str, Builder] = {
    "small-cnn": small_cnn,
    "fer2013-cnn": fer2013_cnn,
}


def build(name: str, image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """The untrained network called ``name``; its weights follow Keras's global seed.

    Args:
        dropout: share of activations dropped before the last layer. l2: factor of the squared kernels in the loss.

    Raises:
        UnknownNameError: there is no such architecture; names the nearest.
        InputError: images too small for it, or a factor out of range.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    if min(image.height, image.width) < SMALLEST_SIDE:
        raise InputError(
            f"the architecture {name} can't take images of {image.height}x{image.width}",
            expected=f"at least {SMALLEST_SIDE} pixels a side",
            fix="choose a larger data.image in the preset",
        )
    if not 0 <= dropout < 1 or l2 < 0:
        raise InputError("dropout or l2 is out of range", expected="0 <= dropout < 1 and l2 >= 0", received=f"dropout {dropout}, l2 {l2}")
    return ARCHITECTURES[name](image, labels, dropout, l2)


def rescaling() -> keras.layers.Layer:
    """Pixels 0 to 255, uint8 or float, to float32 -1 to 1. In front of every network, in training and in the exported files."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")
