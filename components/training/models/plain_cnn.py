"""Two published networks of one shape.

Three valid 3x3 convolutions, each pooled, one hidden layer.
"""

from __future__ import annotations

import keras
from keras import layers

from components.shared.preset import ImageSpec
from components.training.models.layers import decay, unit_range

HIDDEN = 128


def emotion6_cnn(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; from 22 pixels.

    | layer                                    | output at 64x64 colour, 6 labels | parameters |
    |------------------------------------------|----------------------------------|-----------:|
    | 0 to 1; conv 3x3 x32, ReLU; max pool     | 31x31x32                         |        896 |
    | conv 3x3 x32, ReLU; max pool             | 14x14x32                         |      9,248 |
    | conv 3x3 x128, ReLU; max pool            | 6x6x128                          |     36,992 |
    | flatten, dense 128, ReLU                 | 128                              |    589,952 |
    | dense                                    | 6                                |        774 |
    | total (of which moving statistics: 0)    |                                  |    637,862 |
    """
    return _plain((32, 32, 128), image, labels, dropout, l2, "emotion6-cnn")


def happy_cnn(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; from 22 pixels.

    | layer                                    | output at 256x256 colour, 2 labels | parameters |
    |------------------------------------------|------------------------------------|-----------:|
    | 0 to 1; conv 3x3 x32, ReLU; max pool     | 127x127x32                         |        896 |
    | conv 3x3 x64, ReLU; max pool             | 62x62x64                           |     18,496 |
    | conv 3x3 x128, ReLU; max pool            | 30x30x128                          |     73,856 |
    | flatten, dense 128, ReLU, dropout        | 128                                | 14,745,728 |
    | dense                                    | 2                                  |        258 |
    | total (of which moving statistics: 0)    |                                    | 14,839,234 |
    """
    return _plain((32, 64, 128), image, labels, dropout, l2, "happy-cnn")


def _plain(
    filters: tuple[int, ...], image: ImageSpec, labels: int, dropout: float, l2: float, name: str
) -> keras.Model:
    inputs = keras.Input((image.height, image.width, image.channels), name="rescaled")
    x = unit_range(inputs)
    for index, count in enumerate(filters, 1):
        x = layers.Conv2D(
            count, 3, activation="relu", kernel_regularizer=decay(l2), name=f"conv{index}"
        )(x)
        x = layers.MaxPooling2D(name=f"pool{index}")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(HIDDEN, activation="relu", kernel_regularizer=decay(l2), name="hidden")(x)
    if dropout:
        x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return keras.Model(
        inputs, layers.Dense(labels, kernel_regularizer=decay(l2), name="logits")(x), name=name
    )
