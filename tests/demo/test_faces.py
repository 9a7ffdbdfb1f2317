"""The pictures: expressions by facial action, any size, gray or colour."""

import random

import numpy as np
import pytest

from components.shared.errors import UnknownNameError
from components.shared.labels import taxonomy
from pipelines.demo.expressions import PROTOTYPES, UNITS, act
from pipelines.demo.faces import draw

LABELS = taxonomy("basic-7").labels


def test_every_label_has_a_prototype_of_known_units() -> None:
    assert tuple(PROTOTYPES) == LABELS
    for variants in PROTOTYPES.values():
        assert sum(share for share, _ in variants) == pytest.approx(1)
        assert {unit for _, units in variants for unit in units} <= set(UNITS)


def test_expressions_use_their_action_units() -> None:
    seen = {label: [act(label, random.Random(seed)) for seed in range(50)] for label in LABELS}
    assert all(each(12) > 0.4 for each in seen["happy"])
    assert all(each(9) > 0.4 for each in seen["disgust"])
    assert all(max(each(26), each(27)) > 0.3 for each in seen["surprise"])
    assert all(each(unit) <= 0.12 for each in seen["neutral"] for unit in UNITS)


def test_unknown_expression_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'surprise'"):
        draw("surprised", random.Random(1))


@pytest.mark.parametrize(
    ("size", "channels", "shape"),
    [(48, 1, (48, 48)), (48, 3, (48, 48, 3)), (8, 1, (8, 8)), (224, 3, (224, 224, 3))],
)
def test_any_size_gray_or_colour(size: int, channels: int, shape: tuple[int, ...]) -> None:
    picture = draw("happy", random.Random(3), size, channels)
    assert picture.shape == shape
    assert picture.dtype == np.uint8
    assert picture.std() > 8


def test_same_seed_same_pixels_other_seed_other_pixels() -> None:
    one, again, other = (draw("sad", random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_gray_large_and_colour_show_the_same_face() -> None:
    gray = draw("fear", random.Random(5), 48, 1).astype(float)
    colour = draw("fear", random.Random(5), 48, 3).mean(axis=2)
    large = draw("fear", random.Random(5), 96, 1).reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.corrcoef(gray.ravel(), colour.ravel())[0, 1] > 0.85
    assert np.corrcoef(gray.ravel(), large.ravel())[0, 1] > 0.85


def test_people_differ_at_the_same_expression() -> None:
    pictures = np.stack(
        [draw("neutral", random.Random(seed)).ravel() for seed in range(30)]
    ).astype(float)
    correlations = np.corrcoef(pictures)[np.triu_indices(30, 1)]
    assert correlations.mean() < 0.5
    assert correlations.max() < 0.98
