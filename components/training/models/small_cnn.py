"""A small CNN: four convolutions with batch norm and global average pooling.

The embedded default.
"""

from __future__ import annotations

import keras
from keras import layers

from components.shared.preset import ImageSpec

FILTERS = (16, 32, 64, 96)


def small_cnn(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; any size from 16 pixels.

    | layer                                          | output at 48x48 gray, 7 labels | parameters |
    |------------------------------------------------|--------------------------------|-----------:|
    | conv 3x3 x16, max pool, batch norm, ReLU       | 24x24x16                       |        208 |
    | conv 3x3 x32, max pool, batch norm, ReLU       | 12x12x32                       |      4,736 |
    | conv 3x3 x64, max pool, batch norm, ReLU       | 6x6x64                         |     18,688 |
    | conv 3x3 x96, max pool, batch norm, ReLU       | 3x3x96                         |     55,680 |
    | global average pooling, dropout, dense         | 7                              |        679 |
    | total (of which moving statistics: 416)        |                                |     79,991 |

    Pooling stands before batch norm: the costly passes over memory then touch a quarter of the
    activations, which doubles the speed on a CPU.
    """
    inputs = keras.Input((image.height, image.width, image.channels), name="rescaled")
    x = inputs
    for index, filters in enumerate(FILTERS, 1):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_regularizer=_decay(l2),
            name=f"conv{index}",
        )(x)
        x = layers.MaxPooling2D(name=f"pool{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(
        inputs,
        layers.Dense(labels, kernel_regularizer=_decay(l2), name="logits")(x),
        name="small-cnn",
    )


def _decay(l2: float) -> keras.regularizers.Regularizer | None:
    return keras.regularizers.L2(l2) if l2 else None
