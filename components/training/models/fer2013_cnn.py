"""A plain VGG-like CNN (Simonyan and Zisserman 2014) with batch norm and dropout, sized for 48x48 gray and two CPU cores."""

from __future__ import annotations

import keras
from keras import layers

from components.shared.preset import ImageSpec

STEM = 32
BLOCKS = ((32, 48), (64, 96), (128, 128))
HIDDEN = 128


def fer2013_cnn(image: ImageSpec, labels: int, dropout: float, l2: float) -> keras.Model:
    """Float32 ``[n, height, width, channels]`` to logits ``[n, labels]``; any size from 16 pixels.

    | layer                                                 | output at 48x48 gray, 7 labels | parameters |
    |-------------------------------------------------------|--------------------------------|-----------:|
    | conv 3x3 x32, max pool, batch norm, ReLU              | 24x24x32                       |        416 |
    | conv 3x3 x32, x48, each with batch norm, ReLU; pooled | 12x12x48                       |     23,360 |
    | conv 3x3 x64, x96, the same; pooled                   | 6x6x96                         |     83,584 |
    | conv 3x3 x128, x128, the same; pooled                 | 3x3x128                        |    259,072 |
    | dense 128, batch norm, ReLU                           | 128                            |    147,968 |
    | dense                                                 | 7                              |        903 |
    | total (of which moving statistics: 1,312)             |                                |    515,303 |

    At full size there is one convolution only: two would take as long as all others together. The
    blocks drop half of ``dropout`` after their pooling, the hidden layer all of it.
    """
    inputs = keras.Input((image.height, image.width, image.channels), name="rescaled")
    x = _conv(inputs, STEM, l2, "stem", pool=True)
    for index, (first, second) in enumerate(BLOCKS, 1):
        x = _conv(x, first, l2, f"block{index}a")
        x = _conv(x, second, l2, f"block{index}b", pool=True)
        x = layers.Dropout(dropout / 2, name=f"block{index}_dropout")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(HIDDEN, use_bias=False, kernel_regularizer=_decay(l2), name="hidden")(x)
    x = layers.BatchNormalization(name="hidden_norm")(x)
    x = layers.ReLU(name="hidden_relu")(x)
    x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return keras.Model(
        inputs,
        layers.Dense(labels, kernel_regularizer=_decay(l2), name="logits")(x),
        name="fer2013-cnn",
    )


def _conv(
    x: keras.KerasTensor, filters: int, l2: float, name: str, *, pool: bool = False
) -> keras.KerasTensor:
    """Convolution, batch norm, ReLU.

    A pooling goes before the norm, where it saves the most memory traffic.
    """
    x = layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=_decay(l2),
        name=name,
    )(x)
    if pool:
        x = layers.MaxPooling2D(name=f"{name}_pool")(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _decay(l2: float) -> keras.regularizers.Regularizer | None:
    return keras.regularizers.L2(l2) if l2 else None
