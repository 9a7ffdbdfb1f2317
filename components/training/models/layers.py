"""Small pieces that several architectures share."""

from __future__ import annotations

import keras
from keras import layers


def decay(l2: float) -> keras.regularizers.Regularizer | None:
    """Return the squared kernel times ``l2`` in the loss, or nothing."""
    return keras.regularizers.L2(l2) if l2 else None


def unit_range(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """From -1 to 1 to the published 0 to 1."""
    return layers.Rescaling(0.5, offset=0.5, name="unit_range")(inputs)


def conv_norm_relu(
    x: keras.KerasTensor, filters: int, size: int, l2: float, name: str
) -> keras.KerasTensor:
    """Convolution with bias, batch norm, ReLU; the size stays."""
    x = layers.Conv2D(
        filters,
        size,
        padding="same",
        kernel_initializer="he_normal",
        kernel_regularizer=decay(l2),
        name=name,
    )(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
