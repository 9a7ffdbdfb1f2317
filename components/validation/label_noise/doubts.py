"""Confident learning: which labels a model's probabilities contradict. Pure.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
sections 3.1 and 3.2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


def doubted(probabilities: Probabilities, labels: Labels) -> npt.NDArray[np.bool_]:
    """Which rows fall off the diagonal of the confident joint.

    A row counts for the most probable label among those whose probability reaches that label's
    threshold: the mean probability that rows so labelled get for it (equation 2). Where none does,
    the row isn't doubted.
    """
    classes = range(probabilities.shape[1])
    thresholds = np.array(
        [
            probabilities[labels == label, label].mean() if (labels == label).any() else np.inf
            for label in classes
        ]
    )
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    return (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels)


def margins(probabilities: Probabilities, labels: Labels) -> tuple[npt.NDArray[np.float64], Labels]:
    """Return each row's normalised margin, and the best label but its own.

    The margin is the probability of the row's label less that of the best other one; the smallest
    is most doubtful.
    """
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -1.0
    best = others.argmax(axis=1)
    return probabilities[rows, labels] - others[rows, best], best


def mean_recall(probabilities: Probabilities, labels: Labels) -> float:
    """Share of rows whose label is the most probable one, averaged over the labels that stand."""
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
