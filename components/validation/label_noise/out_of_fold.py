"""Predictions for every row by a model that saw neither the row nor anything of its content group.

Linear discriminant analysis with a shrunken covariance (Hastie, Tibshirani and Friedman, "The
Elements of Statistical Learning", 2nd edition, sections 4.3 and 4.3.1; Friedman 1989, "Regularized
Discriminant Analysis"). It needs sums and one matrix of products per fold, so that the model
without a fold is the sum of the others': five models cost hardly more than one.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]

FOLDS = 5
SHRINKAGE = 0.1
COLUMNS_AT_ONCE = 64


def folds(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the fold (0 to `FOLDS` - 1) of each row.

    A digest of its content group, so that copies stay together.
    """
    return np.array([zlib.crc32(group.encode()) % FOLDS for group in groups], np.int64)


def predict(
    features: Features, labels: Labels, fold: npt.NDArray[np.int64], classes: int
) -> Probabilities:
    """Probabilities ``[n, classes]`` of every row from a model fitted on the other folds.

    Args:
        features: float32 ``[n, d]``, standardised in place; what isn't finite counts as the mean.
        labels: ``[n]``, 0 to ``classes`` - 1. A class that stands in no other fold gets probability
            0.
    """
    _standardise(features)
    order = np.argsort(fold, kind="stable")
    bounds = np.searchsorted(fold[order], np.arange(FOLDS + 1))
    is_of = np.eye(classes, dtype=np.float32)[labels]
    size = features.shape[1]
    products, sums, counts = (
        np.zeros((FOLDS, size, size), np.float32),
        np.zeros((FOLDS, classes, size)),
        np.zeros((FOLDS, classes)),
    )
    for index in range(FOLDS):
        rows = order[bounds[index] : bounds[index + 1]]
        mine = features[rows]
        products[index] = mine.T @ mine
        sums[index], counts[index] = is_of[rows].T @ mine, is_of[rows].sum(axis=0)
    probabilities = np.zeros((len(labels), classes))
    for index in range(FOLDS):
        rows, others = order[bounds[index] : bounds[index + 1]], np.arange(FOLDS) != index
        if len(rows):
            weights, offsets = _fit(
                products[others].sum(axis=0), sums[others].sum(axis=0), counts[others].sum(axis=0)
            )
            probabilities[rows] = _softmax(features[rows] @ weights.astype(np.float32) + offsets)
    return probabilities


def _standardise(features: Features) -> None:
    """Every column to mean 0 and standard deviation 1, a block of columns at a time, so that no second table is needed."""
    for first in range(0, features.shape[1], COLUMNS_AT_ONCE):
        block = features[:, first : first + COLUMNS_AT_ONCE]
        absent = ~np.isfinite(block)
        if absent.any():
            means = np.divide(
                np.where(absent, 0, block).sum(axis=0),
                np.maximum((~absent).sum(axis=0), 1),
                dtype=np.float32,
            )
            np.copyto(block, means, where=absent)
        block -= block.mean(axis=0)
        block /= block.std(axis=0) + np.float32(1e-6)


def _fit(
    products: Features, sums: Probabilities, counts: Probabilities
) -> tuple[Probabilities, Probabilities]:
    """Weights ``[d, classes]`` and offsets of the discriminant, from sums over the training rows."""
    total = max(counts.sum(), 1.0)
    means = sums / np.maximum(counts, 1)[:, None]
    within = (products - sums.T @ means) / total
    size = len(within)
    within *= 1 - SHRINKAGE
    within[np.diag_indices(size)] += SHRINKAGE * max(
        np.trace(within) / (1 - SHRINKAGE) / size, 1e-9
    )
    weights = np.linalg.solve(within, means.T)
    with np.errstate(divide="ignore"):
        return weights, np.log(counts / total) - 0.5 * np.einsum("cd,dc->c", means, weights)


def _softmax(scores: Probabilities) -> Probabilities:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
