"""Architectures: the tables in their docstrings are true, and their options do what they say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.shared.errors import InputError, UnknownNameError
from components.shared.preset import ImageSpec
from components.training.models import ARCHITECTURES, backbone_of, build, freeze, rescaling
from components.training.models.backbones import BACKBONES, centred_bgr

GRAY = ImageSpec(48, 48, 1)


COLOUR_64, COLOUR_256 = ImageSpec(64, 64, 3), ImageSpec(256, 256, 3)
OWN = [name for name in ARCHITECTURES if name not in BACKBONES]


@pytest.mark.parametrize(
    ("name", "image", "labels", "kernels", "parameters", "moving"),
    [
        ("small-cnn", GRAY, 7, {"conv1": 144, "conv4": 55_296, "logits": 679}, 79_991, 416),
        (
            "fer2013-cnn",
            GRAY,
            7,
            {"stem": 288, "block3b": 147_456, "hidden": 147_456, "logits": 903},
            515_303,
            1_312,
        ),
        (
            "emotion6-cnn",
            COLOUR_64,
            6,
            {"conv1": 896, "conv2": 9_248, "conv3": 36_992, "hidden": 589_952, "logits": 774},
            637_862,
            0,
        ),
        (
            "happy-cnn",
            COLOUR_256,
            2,
            {"conv1": 896, "conv2": 18_496, "conv3": 73_856, "hidden": 14_745_728, "logits": 258},
            14_839_234,
            0,
        ),
        (
            "fer2013-deep-cnn",
            GRAY,
            7,
            {
                "a1_first": 1_664,
                "a1_second": 36_928,
                "a2_first": 204_928,
                "a2_second": 147_584,
                "b1_first": 295_168,
                "b1_second": 590_080,
                "b2_first": 1_180_160,
                "b2_second": 2_359_808,
                "hidden": 1_179_904,
                "logits": 1_799,
            },
            6_006_727,
            4_352,
        ),
        (
            "fer2013-fast",
            GRAY,
            7,
            {"group1": 288, "group4": 294_912, "logits": 1_799},
            1_057_191,
            2_240,
        ),
        (
            "fer2013-wide",
            GRAY,
            7,
            {"group1": 576, "group4_block2b": 2_359_296, "logits": 3_591},
            14_105_415,
            9_600,
        ),
    ],
)
def test_the_table_in_the_docstring_is_true(name, image, labels, kernels, parameters, moving):
    network = build(name, image, labels, dropout=0.3, l2=0.0)
    counts = {layer.name: layer.count_params() for layer in network.layers}
    assert {layer: counts[layer] for layer in kernels} == kernels
    assert network.count_params() == parameters
    assert sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights) == moving
    about = ARCHITECTURES[name].builder.__doc__
    assert f"{parameters:,}" in about
    assert f"moving statistics: {moving:,}" in about


def test_every_layer_of_the_published_plain_networks():
    """Preset emotion6-cnn, layer by layer: kind, output and parameters as published."""
    network = build("emotion6-cnn", COLOUR_64, 6, dropout=0.0, l2=0.0)
    table = [
        (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in network.layers[2:]
    ]
    assert table == [
        ("Conv2D", (62, 62, 32), 896),
        ("MaxPooling2D", (31, 31, 32), 0),
        ("Conv2D", (29, 29, 32), 9_248),
        ("MaxPooling2D", (14, 14, 32), 0),
        ("Conv2D", (12, 12, 128), 36_992),
        ("MaxPooling2D", (6, 6, 128), 0),
        ("Flatten", (4_608,), 0),
        ("Dense", (128,), 589_952),
        ("Dense", (6,), 774),
    ]


def test_the_deep_network_has_38_layers_in_blocks():
    layers = [
        type(layer).__name__ for layer in build("fer2013-deep-cnn", GRAY, 7, 0.3, 0.0).layers[1:]
    ]
    convolution = ["Conv2D", "BatchNormalization", "ReLU"]
    assert layers == [
        *([*convolution, *convolution, "MaxPooling2D", "Dropout"] * 4),
        *["Flatten", "Dense", "BatchNormalization", "ReLU", "Dropout", "Dense"],
    ]
    assert len(layers) == 38


def test_the_efficientnet_has_the_published_head():
    network = build("efficientnetv2b0", ImageSpec(224, 224, 3), 5, 0.25, 0.01)
    assert backbone_of(network).count_params() == 5_919_312
    heads = {
        layer.name: layer.count_params()
        for layer in network.layers
        if isinstance(layer, keras.layers.Dense)
    }
    assert heads == {"hidden1": 163_968, "hidden2": 4_128, "logits": 165}
    assert network.get_layer("dropout").rate == 0.25


@pytest.mark.parametrize("name", [name for name in OWN if name != "fer2013-wide"])
@pytest.mark.parametrize(("height", "width", "channels"), [(0, 0, 1), (1, 24, 3)])
def test_any_size_from_the_smallest_gives_one_logit_per_label(name, height, width, channels):
    side = ARCHITECTURES[name].smallest_side
    image = ImageSpec(side + height, side + width, channels)
    network = build(name, image, 5, dropout=0.0, l2=0.0)
    assert network.input_shape == (None, image.height, image.width, image.channels)
    assert network.output_shape == (None, 5)


def test_the_plain_networks_see_pixels_from_0_to_1():
    network = build("emotion6-cnn", COLOUR_64, 6, 0.0, 0.0)
    unit = keras.Model(network.input, network.get_layer("unit_range").output)
    assert np.allclose(
        unit(
            rescaling()(np.array([[[[0, 51, 255]]]], np.uint8) + np.zeros((1, 64, 64, 3), np.uint8))
        )[0, 0, 0],
        [0, 0.2, 1],
    )


def test_a_gray_image_fits_a_backbone():
    network = build("mobilenetv2-035", ImageSpec(32, 32, 1), 7, 0.2, 0.0)
    assert network(np.zeros((2, 32, 32, 1), np.float32)).shape == (2, 7)


@pytest.mark.parametrize("name", ["vgg16", "resnet50"])
def test_other_backbones_stand_under_the_same_head(name):
    network = build(name, ImageSpec(32, 32, 3), 5, 0.2, 0.0)
    assert network.output_shape == (None, 5)
    assert backbone_of(network).name == name
    assert [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)] == [
        128,
        32,
        5,
    ]


def test_vgg_and_resnet_see_centred_blue_green_red():
    inputs = keras.Input((4, 4, 3))
    prepared = keras.Model(inputs, centred_bgr(inputs))
    red = np.tile(
        np.array([1.0, -1.0, 0.0], np.float32), (1, 4, 4, 1)
    )  # red 255, green 0, blue 127.5
    assert np.allclose(
        prepared(red)[0, 0, 0], [127.5 - 103.939, 0 - 116.779, 255 - 123.68], atol=1e-3
    )


def test_freezing_keeps_a_share_of_the_backbone_and_its_norms():
    network = build("mobilenetv2-035", ImageSpec(32, 32, 3), 7, 0.2, 0.0)
    backbone = backbone_of(network)
    norms = [
        layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    freeze(network, 1.0, norms=True)
    assert {weight.path.split("/")[0] for weight in network.trainable_weights} == {
        "hidden1",
        "hidden2",
        "logits",
    }
    freeze(network, 0.5, norms=True)
    half = len(backbone.layers) // 2
    assert all(not layer.trainable for layer in backbone.layers[:half])
    assert any(layer.trainable for layer in backbone.layers[half:])
    assert not any(layer.trainable for layer in norms)
    before = [np.array(norms[-1].moving_mean)]
    network(
        np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32), training=True
    )
    assert np.array_equal(before[0], np.array(norms[-1].moving_mean)), (
        "in inference mode its statistics stay"
    )
    freeze(network, 0.0, norms=False)
    assert all(layer.trainable for layer in norms)


def test_nothing_to_freeze_is_refused():
    with pytest.raises(InputError, match="small-cnn has no backbone to freeze; expected frozen=0"):
        freeze(build("small-cnn", GRAY, 7, 0.2, 0.0), 0.5, norms=False)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(
        UnknownNameError, match="unknown architecture 'smal-cnn'.*did you mean 'small-cnn'"
    ):
        build("smal-cnn", GRAY, 7, 0.0, 0.0)


def test_too_small_images_and_impossible_factors_are_refused():
    with pytest.raises(InputError, match="can't take images of 12x48; expected at least 16 pixels"):
        build("small-cnn", ImageSpec(12, 48, 1), 7, 0.0, 0.0)
    with pytest.raises(InputError, match="dropout or l2 is out of range"):
        build("small-cnn", GRAY, 7, 1.0, 0.0)


@pytest.mark.parametrize("name", [name for name in OWN if name != "fer2013-wide"])
def test_dropout_and_l2_are_honoured(name):
    plain, regular = build(name, GRAY, 7, 0.4, 0.0), build(name, GRAY, 7, 0.4, 1e-3)
    assert plain.losses == []
    kernels = [layer for layer in regular.layers if hasattr(layer, "kernel")]
    assert len(regular.losses) == len(kernels)
    squares = sum(float(np.sum(np.square(layer.kernel))) for layer in kernels)
    assert sum(float(loss) for loss in regular.losses) == pytest.approx(1e-3 * squares, rel=1e-4)
    rates = [layer.rate for layer in plain.layers if "dropout" in layer.name]
    assert rates[-1] == 0.4
    assert all(rate in (0.2, 0.4) for rate in rates)


def test_rescaling_spans_minus_one_to_one():
    assert np.allclose(rescaling()(np.array([[0, 255]], np.uint8)), [[-1, 1]], atol=1e-6)
