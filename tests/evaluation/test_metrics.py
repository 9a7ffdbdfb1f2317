"""Scores equal scikit-learn's and hand-computed ones, edges included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score, recall_score

from components.evaluation.metrics import comparison, expected_calibration_error, scores

NAMES = ("a", "b", "c")


def table(rng: np.random.Generator, rows: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, classes, rows), rng.dirichlet(np.ones(classes) * 0.7, rows).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn_and_hand_computed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, probabilities = table(rng, 200)
    twins = rng.random(200) < 0.2
    found = scores("v", NAMES, labels, probabilities, twins)
    predicted = probabilities.argmax(axis=1)
    assert found.rows == 200
    assert found.accuracy == pytest.approx((predicted == labels).mean())
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found.majority_share == pytest.approx(np.bincount(labels).max() / 200)
    exact = probabilities.astype(np.float64)
    assert found.log_loss == pytest.approx(-np.log(exact[np.arange(200), labels]).mean(), rel=1e-4)
    assert found.brier == pytest.approx(((exact - np.eye(3)[labels]) ** 2).sum(axis=1).mean(), rel=1e-4)
    assert found.rows_without_twins == int((~twins).sum())
    assert found.accuracy_without_twins == pytest.approx((predicted == labels)[~twins].mean())
    assert [row.recall for row in found.per_class] == pytest.approx(list(recall_score(labels, predicted, average=None)))
    confusion = np.array(found.confusion)
    assert confusion.sum(axis=1).tolist() == [row.support for row in found.per_class]
    assert np.trace(confusion) == round(found.accuracy * 200)
    by_hand = np.zeros((3, 3), int)
    np.add.at(by_hand, (labels, predicted), 1)
    assert confusion.tolist() == by_hand.tolist()
    assert cohen_kappa_score(labels, predicted) == pytest.approx(kappa(confusion))


def kappa(confusion: np.ndarray) -> float:
    total = confusion.sum()
    chance = (confusion.sum(axis=0) @ confusion.sum(axis=1)) / total**2
    return float((np.trace(confusion) / total - chance) / (1 - chance))


def test_one_row() -> None:
    found = scores("v", NAMES, np.array([2]), np.array([[0.1, 0.2, 0.7]], np.float32), np.array([False]))
    assert (found.accuracy, found.balanced_accuracy, found.macro_f1, found.majority_share) == (1, 1, 1, 1)
    assert found.log_loss == pytest.approx(-math.log(0.7))
    assert found.brier == pytest.approx(0.1**2 + 0.2**2 + 0.3**2)
    assert found.ece == pytest.approx(0.3)
    assert [row.support for row in found.per_class] == [0, 0, 1]


def test_absent_classes_give_no_warning_and_no_part_in_balanced_accuracy() -> None:
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], np.float32)
    found = scores("v", NAMES, labels, probabilities, np.zeros(4, bool))
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.per_class[2].recall == 0
    assert found.macro_f1 == pytest.approx((0.8 + 1 + 0) / 3)  # c is predicted once, so it counts


def test_two_classes_and_certain_wrong_answers() -> None:
    found = scores("v", ("a", "b"), np.array([0, 1]), np.array([[0, 1], [0, 1]], np.float32), np.zeros(2, bool))
    assert found.accuracy == 0.5
    assert found.brier == pytest.approx(1.0)
    assert math.isfinite(found.log_loss)


def test_all_rows_have_twins() -> None:
    found = scores("v", NAMES, np.array([0]), np.array([[1, 0, 0]], np.float32), np.array([True]))
    assert (found.rows_without_twins, found.accuracy_without_twins) == (0, 0.0)


def test_calibration_error_of_known_cases() -> None:
    sure = np.tile([1.0, 0.0], (4, 1))
    assert expected_calibration_error(np.zeros(4, int), sure) == 0
    assert expected_calibration_error(np.array([0, 0, 1, 1]), sure) == pytest.approx(0.5)
    # Three of four right at 75 %, one of two right at 60 %: the second bin is off by 10 points.
    mixed = np.array([[0.75, 0.25]] * 4 + [[0.6, 0.4]] * 2)
    assert expected_calibration_error(np.array([0, 0, 0, 1, 0, 1]), mixed) == pytest.approx(0.1 * 2 / 6)


def test_calibration_bins_are_closed_above() -> None:
    # 0.6 is the upper edge of the ninth of 15 bins; 0.6 and 0.62 are apart, so their gaps don't cancel.
    probabilities = np.array([[0.6, 0.4], [0.62, 0.38]])
    assert expected_calibration_error(np.array([0, 1]), probabilities) == pytest.approx((0.4 + 0.62) / 2)


def test_comparison_counts() -> None:
    def says(*classes: int) -> np.ndarray:
        return np.eye(3)[list(classes)]

    found = comparison(np.array([0, 1, 2, 0, 1]), says(0, 1, 0, 0, 0), says(0, 0, 2, 0, 2))
    assert (found.both_right, found.only_challenger_right, found.only_champion_right, found.both_wrong, found.rows) == (2, 1, 1, 1, 5)
