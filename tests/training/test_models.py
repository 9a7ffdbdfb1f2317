"""Architectures: the tables in their docstrings are true, and their options do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from components.contracts.errors import InputError, UnknownNameError
from components.contracts.preset import ImageSpec
from components.training.models import ARCHITECTURES, build, rescaling

GRAY = ImageSpec(48, 48, 1)


@pytest.mark.parametrize(
    ("name", "kernels", "parameters", "moving"),
    [
        ("small-cnn", ["conv1 16", "conv2 32", "conv3 64", "conv4 96", "logits 7"], 79_991, 416),
        (
            "fer2013-cnn",
            ["stem 32", "block1a 32", "block1b 48", "block2a 64", "block2b 96", "block3a 128", "block3b 128", "hidden 128", "logits 7"],
            515_303,
            1_312,
        ),
    ],
)
def test_the_table_in_the_docstring_is_true(name, kernels, parameters, moving):
    network = build(name, GRAY, 7, dropout=0.3, l2=0.0)
    of_layers = [f"{layer.name} {layer.kernel.shape[-1]}" for layer in network.layers if hasattr(layer, "kernel")]
    assert of_layers == kernels
    assert network.count_params() == parameters
    assert sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights) == moving
    assert f"{parameters:,}" in ARCHITECTURES[name].__doc__
    assert f"moving statistics: {moving:,}" in ARCHITECTURES[name].__doc__


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize("image", [ImageSpec(16, 16, 1), ImageSpec(17, 40, 3)])
def test_any_size_from_16_pixels_gives_one_logit_per_label(name, image):
    network = build(name, image, 5, dropout=0.0, l2=0.0)
    assert network.input_shape == (None, image.height, image.width, image.channels)
    assert network.output_shape == (None, 5)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown architecture 'smal-cnn'.*did you mean 'small-cnn'"):
        build("smal-cnn", GRAY, 7, 0.0, 0.0)


def test_too_small_images_and_impossible_factors_are_refused():
    with pytest.raises(InputError, match="can't take images of 12x48; expected at least 16 pixels"):
        build("small-cnn", ImageSpec(12, 48, 1), 7, 0.0, 0.0)
    with pytest.raises(InputError, match="dropout or l2 is out of range"):
        build("small-cnn", GRAY, 7, 1.0, 0.0)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
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
