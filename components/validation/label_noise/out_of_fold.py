"""Predictions for every row by a model that saw neither the row nor anything of its content group.

Linear discriminant analysis with a shrunken covariance (Hastie, Tibshirani and Friedman, "The Elements of Statistical
Learning", 2nd edition, sections 4.3 and 4.3.1; Friedman 1989, "Regularized Discriminant Analysis"). It needs sums and one
matrix of products per fold, so that the model without a fold is a subtraction: five models cost hardly more than one.
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


def folds(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """The fold (0 to `FOLDS` - 1) of each row: a digest of its content group, so that copies stay together."""
    return np.array([zlib.crc32(group.encode()) % FOLDS for group in groups], np.int64)


def predict(features: Features, labels: Labels, fold: npt.NDArray[np.int64], classes: int) -> Probabilities:
    """Probabilities ``[n, classes]`` of every row from a model fitted on the other folds.

    Args:
        features: float32 ``[n, d]``, standardised in place; what isn't finite counts as the mean.
        labels: ``[n]``, 0 to ``classes`` - 1. A class that stands in no other fold gets probability 0.
    """
    _standardise(features)
    products = [features[fold == index].T @ features[fold == index] for index in range(FOLDS)]
    sums, counts = np.zeros((FOLDS, classes, features.shape[1])), np.zeros((FOLDS, classes))
    for index in range(FOLDS):
        for label in range(classes):
            rows = features[(fold == index) & (labels == label)]
            sums[index, label], counts[index, label] = rows.sum(axis=0, dtype=np.float64), len(rows)
    every_product = sum(products)
    probabilities = np.zeros((len(labels), classes))
    for index in range(FOLDS):
        mine = fold == index
        if mine.any():
            weights, offsets = _fit(every_product - products[index], sums.sum(axis=0) - sums[index], counts.sum(axis=0) - counts[index])
            probabilities[mine] = _softmax(features[mine] @ weights + offsets)
    return probabilities


def _standardise(features: Features) -> None:
    features[~np.isfinite(features)] = np.nan
    if np.isnan(features).any():
        absent = np.isnan(features)
        means = np.divide(np.where(absent, 0, features).sum(axis=0), np.maximum((~absent).sum(axis=0), 1), dtype=np.float32)
        np.copyto(features, means, where=absent)
    features -= features.mean(axis=0)
    features /= features.std(axis=0) + np.float32(1e-6)


def _fit(products: Features, sums: Probabilities, counts: Probabilities) -> tuple[Probabilities, Probabilities]:
    """Weights ``[d, classes]`` and offsets of the discriminant, from sums over the training rows."""
    total = max(counts.sum(), 1.0)
    means = sums / np.maximum(counts, 1)[:, None]
    within = (products - sums.T @ means) / total
    size = len(within)
    within *= 1 - SHRINKAGE
    within[np.diag_indices(size)] += SHRINKAGE * max(np.trace(within) / (1 - SHRINKAGE) / size, 1e-9)
    weights = np.linalg.solve(within, means.T)
    with np.errstate(divide="ignore"):
        return weights, np.log(counts / total) - 0.5 * np.einsum("cd,dc->c", means, weights)


def _softmax(scores: Probabilities) -> Probabilities:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
