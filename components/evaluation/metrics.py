"""Scores of predictions: arrays in, `Scores` out. scikit-learn does the work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from components.contracts.findings import ClassScore, Comparison, Scores

ECE_BINS = 15

Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Table = npt.NDArray[np.floating]


def scores(version: str, names: Sequence[str], labels: Labels, probabilities: Table, has_twin: Flags) -> Scores:
    """How one model did.

    Args:
        names: of the labels, in the order of the outputs.
        labels: int ``[n]``, true. probabilities: finite ``[n, labels]``, each row a distribution.
        has_twin: bool ``[n]``, rows whose content also stands in published training.

    A class without test rows has recall 0 and no part in balanced accuracy; macro F1 is over the classes that
    are either true or predicted somewhere, as in scikit-learn.
    """
    classes = np.arange(len(names))
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # float32 rows sum to 1 only nearly
    predicted = exact.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    apart = ~has_twin
    return Scores(
        version=version,
        rows=len(labels),
        accuracy=float(accuracy_score(labels, predicted)),
        balanced_accuracy=float(recall[support > 0].mean()),
        macro_f1=float(f1_score(labels, predicted, average="macro", zero_division=0)),
        majority_share=float(support.max() / len(labels)),
        log_loss=float(log_loss(labels, exact, labels=classes)),
        brier=float(brier_score_loss(labels, exact, labels=classes, scale_by_half=False)),
        ece=expected_calibration_error(labels, exact),
        accuracy_without_twins=float((predicted[apart] == labels[apart]).mean()) if apart.any() else 0.0,
        rows_without_twins=int(apart.sum()),
        per_class=tuple(
            ClassScore(name, float(precision[index]), float(recall[index]), float(f1[index]), int(support[index]))
            for index, name in enumerate(names)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion_matrix(labels, predicted, labels=classes)),
    )


def expected_calibration_error(labels: Labels, probabilities: Table, bins: int = ECE_BINS) -> float:
    """Mean distance of confidence and accuracy over equal-width bins of confidence, weighted by rows.

    Bins are open below and closed above: (0, 1/15], (1/15, 2/15], ... (Guo et al. 2017, "On Calibration of
    Modern Neural Networks", section 3).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = np.bincount(place, weights=right, minlength=bins) - np.bincount(place, weights=confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def comparison(labels: Labels, challenger: Table, champion: Table) -> Comparison:
    """The paired table of two models on the same rows, from their probabilities ``[n, labels]`` each."""
    ours, theirs = challenger.argmax(axis=1) == labels, champion.argmax(axis=1) == labels
    return Comparison(
        rows=len(labels),
        both_right=int((ours & theirs).sum()),
        only_challenger_right=int((ours & ~theirs).sum()),
        only_champion_right=int((~ours & theirs).sum()),
        both_wrong=int((~ours & ~theirs).sum()),
    )
