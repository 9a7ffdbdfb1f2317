"""A deep CNN of 38 layers in blocks A and B and a fully connected block."""

from __future__ import annotations

import keras
from keras import layers

from components.shared.preset import ImageSpec
from components.training.models.layers import conv_norm_relu, decay

BLOCKS_A, BLOCKS_B = (64, 128), (256, 512)
HIDDEN = 256


def fer2013_deep_cnn(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; any size from 16 pixels.

    The published arrangement isn't known. Ours has the published 38 layers: two blocks A (5x5, then
    3x3 convolution), two blocks B (both 3x3), of 8 layers each, and 6 layers of the fully connected
    block.

    | block                                                                    | output at 48x48 gray, 7 labels | parameters |
    |--------------------------------------------------------------------------|--------------------------------|-----------:|
    | A: conv 5x5 x64, conv 3x3 x64, each batch norm, ReLU; max pool, dropout  | 24x24x64                       |     39,104 |
    | A: conv 5x5 x128, conv 3x3 x128, the same                                | 12x12x128                      |    353,536 |
    | B: conv 3x3 x256, conv 3x3 x256, the same                                | 6x6x256                        |    887,296 |
    | B: conv 3x3 x512, conv 3x3 x512, the same                                | 3x3x512                        |  3,544,064 |
    | flatten, dense 256, batch norm, ReLU, dropout, dense                     | 7                              |  1,182,727 |
    | total (of which moving statistics: 4,352)                                |                                |  6,006,727 |

    The blocks drop half of ``dropout``, the hidden layer all of it.
    """
    inputs = keras.Input((image.height, image.width, image.channels), name="rescaled")
    x = inputs
    for kind, size, widths in (("a", 5, BLOCKS_A), ("b", 3, BLOCKS_B)):
        for index, filters in enumerate(widths, 1):
            block = f"{kind}{index}"
            x = conv_norm_relu(x, filters, size, l2, f"{block}_first")
            x = conv_norm_relu(x, filters, 3, l2, f"{block}_second")
            x = layers.MaxPooling2D(name=f"{block}_pool")(x)
            x = layers.Dropout(dropout / 2, name=f"{block}_dropout")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(
        HIDDEN, kernel_initializer="he_normal", kernel_regularizer=decay(l2), name="hidden"
    )(x)
    x = layers.BatchNormalization(name="hidden_norm")(x)
    x = layers.ReLU(name="hidden_relu")(x)
    x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return keras.Model(
        inputs,
        layers.Dense(labels, kernel_regularizer=decay(l2), name="logits")(x),
        name="fer2013-deep-cnn",
    )
