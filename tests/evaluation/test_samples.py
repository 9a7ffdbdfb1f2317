"""The gallery of sample predictions."""

from __future__ import annotations

import base64

import numpy as np

from components.evaluation.scoring.samples import choose, sample
from components.shared.images.decode import decode, encode_png
from components.shared.preset import ImageSpec

NAMES = ("a", "b", "c")


def test_each_class_shows_a_right_one_and_the_most_surely_wrong_one() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 30)
    probabilities = rng.dirichlet(np.ones(3), 90)
    chosen = choose(labels, probabilities, seed=7)
    assert len(chosen) == len(set(chosen)) == 9
    for label in range(3):
        rows = [row for row in chosen if labels[row] == label]
        wrong = [
            row
            for row in range(90)
            if labels[row] == label and probabilities[row].argmax() != label
        ]
        assert any(probabilities[row].argmax() == label for row in rows)
        assert max(wrong, key=lambda row: probabilities[row].max()) in rows


def test_the_choice_follows_the_seed() -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = np.repeat([0, 1, 2], 30), rng.dirichlet(np.ones(3), 90)
    assert choose(labels, probabilities, 1) == choose(labels, probabilities, 1)
    assert choose(labels, probabilities, 1) != choose(labels, probabilities, 2)


def test_fewer_rows_than_wanted() -> None:
    assert choose(np.array([2]), np.array([[1.0, 0, 0]]), 1) == [0]


def test_the_picture_has_the_models_size_up_to_96_pixels() -> None:
    content = encode_png(np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8))
    for spec, expected in ((ImageSpec(48, 48, 1), (48, 48)), (ImageSpec(224, 112, 3), (96, 48, 3))):
        shown = sample(
            content, spec, "id", NAMES, 1, np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.1, 0.3])
        )
        head, _, body = shown.image.partition(",")
        assert head == "data:image/png;base64"
        assert decode(base64.b64decode(body)).pixels.shape == expected
        assert (shown.label, shown.predicted, shown.champion_predicted) == ("b", "b", "a")
