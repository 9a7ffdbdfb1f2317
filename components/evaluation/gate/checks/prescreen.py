"""Pre-screen.

On held-out validation rows, a challenger that is plainly below the champion never meets the test
rows.

A point estimate decides, not a test: half of the challengers that are worse by exactly the margin
are stopped here, and each of them spares the test set a look.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation.gate.case import Answers, Case
from components.evaluation.gate.statistics import paired_interval
from components.evaluation.gate.words import higher_or_lower, images, points
from components.shared.findings import Check
from components.shared.findings.evaluation import Outcome
from components.shared.text import percent

# Differences of counts by rows meet their bound exactly or not at all; binary fractions would blur
# that.
ROUNDING = 1e-9


def stops(held_out: Answers | None, margin: float) -> bool:
    """Whether the challenger is more than ``margin`` below the champion on these rows.

    False where either is missing.
    """
    if held_out is None or "champion" not in held_out.probabilities:
        return False
    return held_out.paired("champion").difference < -margin - ROUNDING


def prescreen(case: Case) -> Iterator[Check]:
    """Yield the check on validation rows, where there is a champion."""
    if "champion" not in case.versions:
        return
    margin = case.policy.margin
    if case.held_out is None:
        sentence = (
            "There are no held-out images, so the challenger met the test images without a"
            " pre-screen."
        )
        yield Check(
            "pre-screen", 0.0, -margin, "at-least", "insufficient", sentence, family="pre-screen"
        )
        return
    pair, stopped = case.held_out.paired("champion"), stops(case.held_out, margin)
    low, high = paired_interval(pair.b, pair.c, pair.n, case.policy.alpha)
    sentence = (
        f"On {images(pair.n, 'held-out')} accuracy is"
        f" {percent(case.held_out.accuracy('challenger'))} against the champion's"
        f" {percent(case.held_out.accuracy('champion'))}, {higher_or_lower(pair.difference)};"
        f" {points(margin)} lower would still be let"
        f" through{' to' if not stopped else ', so the challenger never met'} the test images."
    )
    outcome: Outcome = "fail" if stopped else "pass"
    interval = (float(low), float(high))
    yield Check(
        "pre-screen",
        pair.difference,
        -margin,
        "at-least",
        outcome,
        sentence,
        interval,
        pair.n,
        "pre-screen",
    )
