"""Floors: absolute figures that no model may fall below.

Against a champion, failing is significant violation: the whole confidence interval lies below the
floor. A first model has nobody to be compared with, so there the interval's lower end must clear
the floor.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from components.evaluation.gate.case import Case
from components.evaluation.gate.words import images, points
from components.shared.findings import Check
from components.shared.findings.evaluation import Outcome
from components.shared.statistics import clopper_pearson
from components.shared.text import percent


def floors(case: Case) -> Iterator[Check]:
    """Yield the checks of absolute figures."""
    tested, policy = case.tested, case.policy
    rows, right = len(tested), int(tested.right("challenger").sum())
    low, high = clopper_pearson(right, rows, policy.alpha)
    accuracy = right / rows
    yield _floor(
        case,
        "accuracy",
        f"Accuracy is {percent(accuracy, policy.min_accuracy)}",
        accuracy,
        policy.min_accuracy,
        (low, high),
    )

    macro_f1 = float(tested.figures["challenger"].macro_f1)
    reach = np.quantile(case.resampled["challenger"].macro_f1, (policy.alpha, 1 - policy.alpha))
    interval = (float(reach[0]), float(reach[1]))
    yield _floor(
        case,
        "macro-f1",
        f"Macro F1 is {percent(macro_f1, policy.min_macro_f1)}",
        macro_f1,
        policy.min_macro_f1,
        interval,
    )

    majority = float(np.bincount(tested.labels).max() / rows)
    gain = accuracy - majority
    always = f"always answering the most frequent class ({percent(majority)})"
    words = f"Accuracy is {points(abs(gain))} {'above' if gain >= 0 else 'below'} {always}"
    yield _floor(
        case,
        "gain-over-majority",
        words,
        gain,
        policy.min_gain_over_majority,
        (low - majority, high - majority),
        in_points=True,
    )


def _floor(
    case: Case,
    name: str,
    words: str,
    value: float,
    bound: float,
    interval: tuple[float, float],
    *,
    in_points: bool = False,
) -> Check:
    first = "champion" not in case.versions
    deciding = interval[0] if first else interval[1]
    written = points if in_points else partial(percent, bound=bound)
    confidence = f"{100 * (1 - case.policy.alpha):.4g}% confidence"
    reach = f"with {confidence} at {'least' if first else 'most'} {written(deciding)}"
    sentence = f"{words} on {images(len(case.tested))}, {reach}; the floor is {written(bound)}."
    outcome: Outcome = "pass" if deciding >= bound else "fail"
    return Check(
        name, value, bound, "at-least", outcome, sentence, interval, len(case.tested), "floors"
    )
