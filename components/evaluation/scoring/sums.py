"""Every figure of a model as a function of sums over rows.

Accuracy, macro F1, log loss, Brier score and calibration error depend on the rows through a few
sums alone. So a resample, which is a weight per row, is a matrix product with the rows' `columns`,
and `figures` reads the product of one resample or of thousands. With all weights 1 they are the
figures themselves, scikit-learn's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.statistics import CALIBRATION_BINS, calibration_bin

Labels = npt.NDArray[np.int64]
Table = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """Figures of one model, each ``[resamples]``, or a number each for one sum."""

    accuracy: Floats
    balanced_accuracy: Floats
    macro_f1: Floats
    log_loss: Floats
    brier: Floats
    ece: Floats


def normalised(probabilities: Table) -> Floats:
    """float64 rows that sum to 1; those of float32 do so only nearly."""
    exact = probabilities.astype(np.float64)
    return exact / exact.sum(axis=1, keepdims=True)


def negative_log_likelihood(labels: Labels, probabilities: Floats) -> Floats:
    """-log p(label) of each row.

    Probabilities are kept off 0 and 1 by the float64 epsilon, as scikit-learn does.
    """
    epsilon = np.finfo(np.float64).eps
    return -np.log(np.clip(probabilities[np.arange(len(labels)), labels], epsilon, 1 - epsilon))


def squared_error(labels: Labels, probabilities: Floats) -> Floats:
    """Return the Brier score of each row: the sum over labels of squared errors, 0 to 2."""
    right = probabilities[np.arange(len(labels)), labels]
    return (probabilities**2).sum(axis=1) - 2 * right + 1


def columns(labels: Labels, probabilities: Table) -> Floats:
    """Return what each row adds to the sums, ``[n, 3 * k + 2 + CALIBRATION_BINS]`` for k labels.

    Per label: the row is one of it, the row is answered with it, both. Then negative
    log-likelihood, squared error, and per calibration bin rightness minus confidence.
    """
    n, k = probabilities.shape
    exact = normalised(probabilities)
    predicted, confidence, rows = exact.argmax(axis=1), exact.max(axis=1), np.arange(n)
    right = predicted == labels
    table = np.zeros((n, 3 * k + 2 + CALIBRATION_BINS))
    table[rows, labels] = 1
    table[rows, k + predicted] = 1
    table[rows, 2 * k + labels] = right
    table[:, 3 * k] = negative_log_likelihood(labels, exact)
    table[:, 3 * k + 1] = squared_error(labels, exact)
    table[rows, 3 * k + 2 + calibration_bin(confidence)] = right - confidence
    return table


def figures(sums: npt.NDArray[np.floating], k: int) -> Figures:
    """Return the figures of sums ``[..., 3 * k + 2 + CALIBRATION_BINS]``, for k labels.

    A label without rows has no part in balanced accuracy; macro F1 is over the labels that are
    either true or answered somewhere, as in scikit-learn.
    """
    exact = sums.astype(np.float64)
    support, answered, both = exact[..., :k], exact[..., k : 2 * k], exact[..., 2 * k : 3 * k]
    rows, involved = support.sum(axis=-1), support + answered
    recall, f1 = both / np.maximum(support, 1), 2 * both / np.maximum(involved, 1)
    return Figures(
        accuracy=both.sum(axis=-1) / rows,
        balanced_accuracy=recall.sum(axis=-1) / (support > 0).sum(axis=-1),
        macro_f1=f1.sum(axis=-1) / (involved > 0).sum(axis=-1),
        log_loss=exact[..., 3 * k] / rows,
        brier=exact[..., 3 * k + 1] / rows,
        ece=np.abs(exact[..., 3 * k + 2 :]).sum(axis=-1) / rows,
    )


def point_figures(labels: Labels, probabilities: Table) -> Figures:
    """Return the figures of the rows as they are."""
    return figures(columns(labels, probabilities).sum(axis=0), probabilities.shape[1])
