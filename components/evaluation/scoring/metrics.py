"""Scores of predictions: arrays in, `Scores` out. scikit-learn does the work.

What only the gate needs too stands in `sums`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from components.evaluation.scoring import sums
from components.evaluation.scoring.curves import curves
from components.evaluation.scoring.sums import Floats, Labels, Table
from components.shared.findings import (
    ClassScore,
    Comparison,
    PartScore,
    ReliabilityBin,
    Scores,
    SoftScore,
)
from components.shared.statistics import CALIBRATION_BINS, calibration_bin, clopper_pearson

Flags = npt.NDArray[np.bool_]


def scores(
    version: str,
    names: Sequence[str],
    labels: Labels,
    probabilities: Table,
    exact_twin: Flags,
    near_twin: Flags,
    votes: Floats | None = None,
) -> Scores:
    """How one model did.

    Args:
        names: of the labels, in the order of the outputs.
        labels: int ``[n]``, true. probabilities: finite ``[n, labels]``, each row a distribution.
        exact_twin, near_twin: bool ``[n]``, rows whose content, and whose group of near duplicates,
            also stands in published training.
        votes: ``[n, labels]`` shares of annotators' votes, zeros where a row has none.

    A class without rows has recall 0 and no part in balanced accuracy; macro F1 is over the classes
    that are either true or predicted somewhere, as in scikit-learn.
    """
    classes = np.arange(len(names))
    exact = sums.normalised(probabilities)
    predicted = exact.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    found = sums.point_figures(labels, probabilities)
    parts = (
        _part("without exact copies of training rows", labels, probabilities, ~exact_twin),
        _part(
            "without exact or near copies of training rows",
            labels,
            probabilities,
            ~(exact_twin | near_twin),
        ),
    )
    right = int((predicted == labels).sum())
    return Scores(
        version=version,
        rows=len(labels),
        accuracy=float(found.accuracy),
        balanced_accuracy=float(found.balanced_accuracy),
        macro_f1=float(found.macro_f1),
        majority_share=float(support.max() / len(labels)),
        log_loss=float(found.log_loss),
        brier=float(found.brier),
        ece=float(found.ece),
        accuracy_without_twins=parts[0].accuracy,
        rows_without_twins=parts[0].rows,
        per_class=tuple(
            ClassScore(
                name,
                float(precision[index]),
                float(recall[index]),
                float(f1[index]),
                int(support[index]),
            )
            for index, name in enumerate(names)
        ),
        confusion=tuple(
            tuple(int(count) for count in row)
            for row in confusion_matrix(labels, predicted, labels=classes)
        ),
        accuracy_interval=clopper_pearson(right, len(labels), 0.025),
        reliability=reliability(labels, exact),
        curves=curves(names, labels, exact),
        parts=parts,
        soft=None if votes is None else soft_score(exact, votes),
    )


def reliability(labels: Labels, probabilities: Floats) -> tuple[ReliabilityBin, ...]:
    """Return the reliability diagram: the bins of the calibration error that hold rows."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = calibration_bin(confidence)
    rows = np.bincount(place, minlength=CALIBRATION_BINS)
    sure, correct = (
        np.bincount(place, weights=values, minlength=CALIBRATION_BINS)
        for values in (confidence, right)
    )
    return tuple(
        ReliabilityBin(
            index / CALIBRATION_BINS,
            (index + 1) / CALIBRATION_BINS,
            int(rows[index]),
            sure[index] / rows[index],
            correct[index] / rows[index],
        )
        for index in np.flatnonzero(rows).tolist()
    )


def soft_score(probabilities: Floats, votes: Floats) -> SoftScore | None:
    """Score probabilities against annotators' votes; None where no row has votes.

    Barsoum et al. 2016, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution".
    """
    voted = votes.sum(axis=1) > 0
    if not voted.any():
        return None
    said, shares = probabilities[voted], sums.normalised(votes[voted])
    log_said = np.log(np.maximum(said, np.finfo(np.float64).eps))
    log_shares = np.log(np.where(shares > 0, shares, 1.0))
    named = shares[np.arange(len(said)), said.argmax(axis=1)]
    return SoftScore(
        rows=len(said),
        cross_entropy=float(-(shares * log_said).sum(axis=1).mean()),
        vote_entropy=float(-(shares * log_shares).sum(axis=1).mean()),
        total_variation=float(np.abs(shares - said).sum(axis=1).mean() / 2),
        majority_agreement=float((named == shares.max(axis=1)).mean()),
    )


def comparison(labels: Labels, challenger: Table, other: Table) -> Comparison:
    """Return the paired table of two models on the same rows, from their probabilities ``[n, labels]`` each."""
    ours, theirs = challenger.argmax(axis=1) == labels, other.argmax(axis=1) == labels
    return Comparison(
        rows=len(labels),
        both_right=int((ours & theirs).sum()),
        only_challenger_right=int((ours & ~theirs).sum()),
        only_champion_right=int((~ours & theirs).sum()),
        both_wrong=int((~ours & ~theirs).sum()),
    )


def _part(words: str, labels: Labels, probabilities: Table, member: Flags) -> PartScore:
    if not member.any():
        return PartScore(words, 0, 0.0, 0.0, 0.0, 0.0)
    found = sums.point_figures(labels[member], probabilities[member])
    return PartScore(
        words,
        int(member.sum()),
        float(found.accuracy),
        float(found.macro_f1),
        float(found.log_loss),
        float(found.ece),
    )
