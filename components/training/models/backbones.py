"""Transfer learning.

A backbone of Keras's applications under one head, and how stages freeze it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
from keras import layers

from components.shared.errors import InputError
from components.shared.preset import ImageSpec
from components.training.models.layers import decay

HEAD = (128, 32)
# Mean of ImageNet's blue, green and red, which VGG and ResNet were trained with (Simonyan and
# Zisserman 2014, section 2.1).
MEAN_BGR = (103.939, 116.779, 123.68)


def same_range(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """-1 to 1, as MobileNetV2 and EfficientNetV2 take it."""
    return inputs


def centred_bgr(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Blue, green and red from 0 to 255, less their means, as VGG16 and ResNet50 take them."""
    blue_first = inputs[:, :, :, ::-1]
    return layers.Rescaling(
        [127.5] * 3, offset=[127.5 - mean for mean in MEAN_BGR], name="centred_bgr"
    )(blue_first)


Preparation = Callable[[keras.KerasTensor], keras.KerasTensor]
BACKBONES: dict[str, tuple[Callable[..., keras.Model], Preparation]] = {
    "efficientnetv2b0": (
        partial(keras.applications.EfficientNetV2B0, include_preprocessing=False),
        same_range,
    ),
    "mobilenetv2": (keras.applications.MobileNetV2, same_range),
    "mobilenetv2-035": (partial(keras.applications.MobileNetV2, alpha=0.35), same_range),
    "resnet50": (keras.applications.ResNet50, centred_bgr),
    "vgg16": (keras.applications.VGG16, centred_bgr),
}


def on_backbone(
    backbone: str, image: ImageSpec, labels: int, dropout: float, l2: float
) -> keras.Model:
    """Return a backbone, average pooling, dense 128 and 32 with ReLU, dropout.

    Logits ``[n, labels]``. Gray is repeated thrice.
    """
    make, prepare = BACKBONES[backbone]
    inputs = keras.Input((image.height, image.width, image.channels), name="rescaled")
    colour = inputs if image.channels == 3 else layers.Concatenate(name="colour")([inputs] * 3)
    x = make(include_top=False, weights=None, input_shape=(image.height, image.width, 3))(
        prepare(colour)
    )
    x = layers.GlobalAveragePooling2D(name="average")(x)
    for index, units in enumerate(HEAD, 1):
        x = layers.Dense(
            units, activation="relu", kernel_regularizer=decay(l2), name=f"hidden{index}"
        )(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(
        inputs, layers.Dense(labels, kernel_regularizer=decay(l2), name="logits")(x), name=backbone
    )


def backbone_of(network: keras.Model) -> keras.Model | None:
    """Return the backbone inside a network, or None for one that was made as a whole."""
    return next((layer for layer in network.layers if isinstance(layer, keras.Model)), None)


def freeze(network: keras.Model, share: float, *, norms: bool) -> None:
    """Keep the first ``share`` of the backbone's layers as they are, and with ``norms`` all of its batch norm.

    A frozen batch norm runs in inference mode: its statistics would soon fit the small data set,
    and the pretrained kernels no longer fit them.

    Raises:
        InputError: there is no backbone and something is to be frozen.
    """
    backbone = backbone_of(network)
    if backbone is None:
        if share:
            raise InputError(
                f"the architecture {network.name} has no backbone to freeze",
                expected="frozen=0 in its stages",
                received=f"{share:g}",
            )
        return
    first = round(share * len(backbone.layers))
    for index, layer in enumerate(backbone.layers):
        layer.trainable = index >= first and not (
            norms and isinstance(layer, layers.BatchNormalization)
        )
