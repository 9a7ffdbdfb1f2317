"""Residual networks (He et al. 2016, "Identity Mappings") for 48x48 faces, one sized for two CPU cores and one for a GPU."""

from __future__ import annotations

import keras
from keras import layers

from components.shared.preset import ImageSpec
from components.training.models.layers import decay


def fer2013_fast(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; any size from 16 pixels.

    | layer                                                        | output at 48x48 gray, 7 labels | parameters |
    |--------------------------------------------------------------|--------------------------------|-----------:|
    | conv 3x3 x32, stride 2; batch norm, ReLU                     | 24x24x32                       |        416 |
    | conv 3x3 x64; max pool; batch norm, ReLU; 1 residual block   | 12x12x64                       |     92,928 |
    | conv 3x3 x128; max pool; batch norm, ReLU; 2 residual blocks | 6x6x128                        |    666,112 |
    | conv 3x3 x256; max pool; batch norm, ReLU                    | 3x3x256                        |    295,936 |
    | global average pooling, dropout, dense                       | 7                              |      1,799 |
    | total (of which moving statistics: 2,240)                    |                                |  1,057,191 |

    A block is two conv 3x3, each with batch norm and ReLU, and a sum. At full size there is one
    convolution, of stride 2, and at half size one more: on a CPU passes over large activations cost
    more than arithmetic.
    """
    return _residual(
        "fer2013-fast", (32, 64, 128, 256), (0, 1, 2, 0), 2, image, labels, dropout, l2
    )


def fer2013_wide(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; any size from 16 pixels.

    | layer                                                        | output at 48x48 gray, 7 labels | parameters |
    |--------------------------------------------------------------|--------------------------------|-----------:|
    | conv 3x3 x64; batch norm, ReLU                               | 48x48x64                       |        832 |
    | 2 residual blocks of two conv 3x3 x64, batch norm, ReLU      | 48x48x64                       |    148,480 |
    | conv 3x3 x128; max pool; batch norm, ReLU; 2 residual blocks | 24x24x128                      |    666,112 |
    | conv 3x3 x256; max pool; batch norm, ReLU; 2 residual blocks | 12x12x256                      |  2,659,328 |
    | conv 3x3 x512; max pool; batch norm, ReLU; 2 residual blocks | 6x6x512                        | 10,627,072 |
    | global average pooling, dropout, dense                       | 7                              |      3,591 |
    | total (of which moving statistics: 9,600)                    |                                | 14,105,415 |
    """
    return _residual(
        "fer2013-wide", (64, 128, 256, 512), (2, 2, 2, 2), 1, image, labels, dropout, l2
    )


def _residual(
    name: str,
    widths: tuple[int, ...],
    blocks: tuple[int, ...],
    stride: int,
    image: ImageSpec,
    labels: int,
    dropout: float,
    l2: float,
) -> keras.Model:
    inputs = keras.Input((image.height, image.width, image.channels), name="rescaled")
    x = inputs
    for group, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        x = _conv(x, width, stride if group == 1 else 1, l2, f"group{group}", pool=group > 1)
        for block in range(1, count + 1):
            y = _conv(x, width, 1, l2, f"group{group}_block{block}a")
            y = _conv(y, width, 1, l2, f"group{group}_block{block}b")
            x = layers.Add(name=f"group{group}_block{block}_sum")([x, y])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(
        inputs, layers.Dense(labels, kernel_regularizer=decay(l2), name="logits")(x), name=name
    )


def _conv(
    x: keras.KerasTensor, filters: int, stride: int, l2: float, name: str, *, pool: bool = False
) -> keras.KerasTensor:
    """Convolution, pooling where asked (before the norm, where it saves memory traffic), batch norm, ReLU."""
    x = layers.Conv2D(
        filters,
        3,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=decay(l2),
        name=name,
    )(x)
    if pool:
        x = layers.MaxPooling2D(name=f"{name}_pool")(x)
    x = layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
