"""Scores equal scikit-learn's on random tables, edges included, and hand-computed ones."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs
from sklearn.exceptions import UndefinedMetricWarning

from components.evaluation.scoring.metrics import comparison, reliability, scores, soft_score
from components.evaluation.scoring.sums import point_figures
from components.shared.findings import Scores

NAMES = ("a", "b", "c", "d")


def scored(
    labels: np.ndarray,
    probabilities: np.ndarray,
    exact: np.ndarray | None = None,
    near: np.ndarray | None = None,
) -> Scores:
    none = np.zeros(len(labels), bool)
    names = NAMES[: probabilities.shape[1]]
    return scores(
        "v",
        names,
        labels,
        probabilities,
        none if exact is None else exact,
        none if near is None else near,
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities.

    Few rows and many, absent classes, all wrong, ties, certain answers.
    """
    rows, classes = draw(st.sampled_from((1, 2, 3, 17, 120))), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = rng.integers(0, draw(st.integers(1, classes)), rows)
    kind = draw(st.sampled_from(("any", "ties", "certain", "all wrong")))
    probabilities = rng.dirichlet(np.ones(classes) * 0.6, rows)
    if kind == "ties":
        probabilities = np.round(probabilities * 4) + 1
    elif kind == "certain":
        probabilities = np.eye(classes)[rng.integers(0, classes, rows)]
    elif kind == "all wrong":
        probabilities[np.arange(rows), labels] = 0
        probabilities += 1e-6 * np.eye(classes)[(labels + 1) % classes]
    return labels, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_scores_equal_scikit_learns(table: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = table
    classes = np.arange(probabilities.shape[1])
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    predicted = exact.argmax(axis=1)
    found = scored(labels, probabilities)
    with warnings.catch_warnings():  # scikit-learn warns of classes that are predicted but never true, and of single-class tables
        warnings.simplefilter("ignore", (UserWarning, UndefinedMetricWarning))
        balanced = theirs.balanced_accuracy_score(labels, predicted)
        precision, recall, f1, support = theirs.precision_recall_fscore_support(
            labels, predicted, labels=classes, zero_division=0
        )
    assert found.accuracy == pytest.approx(theirs.accuracy_score(labels, predicted))
    assert found.balanced_accuracy == pytest.approx(balanced)
    assert found.macro_f1 == pytest.approx(
        theirs.f1_score(labels, predicted, average="macro", zero_division=0)
    )
    assert found.log_loss == pytest.approx(theirs.log_loss(labels, exact, labels=classes), abs=1e-9)
    assert found.brier == pytest.approx(
        theirs.brier_score_loss(labels, exact, labels=classes, scale_by_half=False), abs=1e-9
    )
    assert [row.precision for row in found.per_class] == pytest.approx(list(precision))
    assert [row.recall for row in found.per_class] == pytest.approx(list(recall))
    assert [row.f1 for row in found.per_class] == pytest.approx(list(f1))
    assert [row.support for row in found.per_class] == list(support)
    assert found.confusion == tuple(
        map(tuple, theirs.confusion_matrix(labels, predicted, labels=classes).tolist())
    )
    for curve in found.curves:
        index = NAMES.index(curve.label)
        positive = labels == index
        assert curve.area == pytest.approx(theirs.roc_auc_score(positive, exact[:, index]))
        assert curve.average_precision == pytest.approx(
            theirs.average_precision_score(positive, exact[:, index])
        )
        assert (curve.false_positive_rate[0], curve.true_positive_rate[-1], curve.recall[-1]) == (
            0,
            1,
            0,
        )
    drawable = [index for index in classes if 0 < (labels == index).sum() < len(labels)]
    assert [curve.label for curve in found.curves] == [NAMES[index] for index in drawable]


@settings(max_examples=40, deadline=None)
@given(tables())
def test_calibration_error_is_that_of_a_loop_over_bins(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, probabilities = table
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    confidence, right = exact.max(axis=1), exact.argmax(axis=1) == labels
    by_hand, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            by_hand += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    found = scored(labels, probabilities)
    assert found.ece == pytest.approx(by_hand)
    drawn = reliability(labels, exact)
    assert sum(each.rows for each in drawn) == len(labels)
    assert sum(each.rows * abs(each.accuracy - each.confidence) for each in drawn) / len(
        labels
    ) == pytest.approx(by_hand)


def test_long_curves_are_thinned_and_keep_their_shape() -> None:
    rng = np.random.default_rng(1)
    labels, probabilities = rng.integers(0, 2, 4000), rng.dirichlet((1, 1), 4000)
    for curve in scored(labels, probabilities).curves:
        assert 40 < len(curve.true_positive_rate) <= 60
        assert len(curve.precision) <= 60
        area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
        assert area == pytest.approx(curve.area, abs=0.01)


def test_one_row() -> None:
    found = scored(np.array([2]), np.array([[0.1, 0.2, 0.7]], np.float32))
    assert (found.accuracy, found.balanced_accuracy, found.macro_f1, found.majority_share) == (
        1,
        1,
        1,
        1,
    )
    assert found.log_loss == pytest.approx(-math.log(0.7))
    assert found.brier == pytest.approx(0.1**2 + 0.2**2 + 0.3**2)
    assert found.ece == pytest.approx(0.3)
    assert [row.support for row in found.per_class] == [0, 0, 1]
    assert (found.accuracy_interval[0], found.accuracy_interval[1]) == (pytest.approx(0.025), 1.0)
    assert found.curves == ()


def test_certain_wrong_answers_stay_finite() -> None:
    found = scored(np.array([0, 1]), np.array([[0, 1], [0, 1]], np.float32))
    assert found.accuracy == 0.5
    assert found.brier == pytest.approx(1.0)
    assert math.isfinite(found.log_loss)


def test_copies_of_training_rows_are_scored_apart() -> None:
    labels = np.array([0, 1, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    exact, near = np.array([True, False, False, False]), np.array([True, False, True, False])
    found = scored(labels, probabilities, exact, near)
    assert (found.accuracy, found.rows_without_twins, found.accuracy_without_twins) == (
        0.75,
        3,
        pytest.approx(2 / 3),
    )
    assert [(part.rows, part.accuracy) for part in found.parts] == [
        (3, pytest.approx(2 / 3)),
        (2, 0.5),
    ]
    assert found.parts[1].log_loss == pytest.approx(
        point_figures(labels[~near], probabilities[~near]).log_loss
    )
    everything = scored(labels, probabilities, np.ones(4, bool), np.ones(4, bool))
    assert (everything.rows_without_twins, everything.accuracy_without_twins) == (0, 0.0)


def test_calibration_error_of_known_cases() -> None:
    sure = np.tile([1.0, 0.0], (4, 1))
    assert point_figures(np.zeros(4, int), sure).ece == 0
    assert point_figures(np.array([0, 0, 1, 1]), sure).ece == pytest.approx(0.5)
    # Three of four right at 75 %, one of two right at 60 %: the second bin is off by 10 points.
    mixed = np.array([[0.75, 0.25]] * 4 + [[0.6, 0.4]] * 2)
    assert point_figures(np.array([0, 0, 0, 1, 0, 1]), mixed).ece == pytest.approx(0.1 * 2 / 6)


def test_calibration_bins_are_closed_above() -> None:
    # 0.6 is the upper edge of the ninth of 15 bins; 0.6 and 0.62 are apart, so their gaps don't
    # cancel.
    probabilities = np.array([[0.6, 0.4], [0.62, 0.38]])
    assert point_figures(np.array([0, 1]), probabilities).ece == pytest.approx((0.4 + 0.62) / 2)


def test_soft_scores_against_votes() -> None:
    votes = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]])
    found = soft_score(np.array([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]), votes)
    assert found is not None
    assert found.rows == 2
    assert found.cross_entropy == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert found.vote_entropy == pytest.approx(math.log(2) / 2)
    assert found.total_variation == pytest.approx(0.75 / 2)
    assert found.majority_agreement == 0.5
    assert soft_score(np.array([[0.5, 0.5]]), np.zeros((1, 2))) is None


def test_comparison_counts() -> None:
    def says(*classes: int) -> np.ndarray:
        return np.eye(3)[list(classes)]

    found = comparison(np.array([0, 1, 2, 0, 1]), says(0, 1, 0, 0, 0), says(0, 0, 2, 0, 2))
    assert (
        found.both_right,
        found.only_challenger_right,
        found.only_champion_right,
        found.both_wrong,
        found.rows,
    ) == (2, 1, 1, 1, 5)
