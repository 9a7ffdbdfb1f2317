"""Harm: what an accuracy that held its own may hide. Rejects only on significant harm.

Recall of every class and accuracy on every slice by the exact sign test of the rows on which the
two models differ; macro F1, log loss and calibration error by the paired bootstrap. All of them are
one family: Holm's adjustment keeps the chance of rejecting an equal challenger for any of them at
alpha. Classes and slices with few rows aren't tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.evaluation.gate.case import Case
from components.evaluation.gate.statistics import change_interval, holm, sign_test_of_harm
from components.evaluation.gate.words import higher_or_lower, images, p_value
from components.evaluation.scoring.bootstrap import p_value_of_harm
from components.shared.findings import Check
from components.shared.findings.evaluation import Direction, Outcome
from components.shared.preset import GatePolicy
from components.shared.text import percent


@dataclass(frozen=True)
class _Test:
    """One test of the family, before Holm. direction: which way the figure is good."""

    name: str
    difference: float
    direction: Direction
    interval: tuple[float, float]
    rows: int
    p: float
    sentence: str


def harm(case: Case) -> Iterator[Check]:
    """Yield the checks for significant harm."""
    if "champion" not in case.versions:
        return
    tests = [*_classes(case), *_slices(case), *_whole(case)]
    enough = [test for test in tests if test.rows >= case.policy.min_rows]
    adjusted = dict(
        zip((test.name for test in enough), holm([test.p for test in enough]), strict=True)
    )
    for test in tests:
        if test.name in adjusted:
            yield _judged(test, float(adjusted[test.name]), case.policy.alpha)
        else:
            yield _insufficient(test, case.policy)


def _judged(test: _Test, adjusted: float, alpha: float) -> Check:
    significant = adjusted <= alpha
    words = "significant harm" if significant else "no significant harm"
    sentence = (
        f"{test.sentence}: {words} (adjusted {p_value(adjusted)}; {alpha:g} or less would reject)."
    )
    outcome: Outcome = "fail" if significant else "pass"
    return Check(
        test.name,
        test.difference,
        0.0,
        test.direction,
        outcome,
        sentence,
        test.interval,
        test.rows,
        "harm",
        adjusted,
        alpha,
    )


def _insufficient(test: _Test, policy: GatePolicy) -> Check:
    asks = policy.insufficient_evidence == "ask"
    wanted = f"insufficient evidence, {policy.min_rows:,} images are wanted"
    sentence = f"{test.sentence}: {wanted}{'; a person must decide' if asks else ''}."
    outcome: Outcome = "ask" if asks else "insufficient"
    return Check(
        test.name,
        test.difference,
        0.0,
        test.direction,
        outcome,
        sentence,
        test.interval,
        test.rows,
        "harm",
    )


def _classes(case: Case) -> Iterator[_Test]:
    for index, label in enumerate(case.labels):
        member = case.tested.labels == index
        if member.any():
            yield _on_rows(case, f"recall-{label}", f"Recall of {label}", member)


def _slices(case: Case) -> Iterator[_Test]:
    for piece in case.tested.slices:
        name = piece.name.split(" (")[0].replace(" ", "-")
        yield _on_rows(
            case,
            f"{piece.column}-{name}",
            f"Accuracy where {piece.column} is {piece.name}",
            piece.member,
        )


def _on_rows(case: Case, name: str, what: str, member: npt.NDArray[np.bool_]) -> _Test:
    pair = case.tested.paired("champion", member)
    ours, theirs = (
        float(case.tested.right(role)[member].mean()) for role in ("challenger", "champion")
    )
    sentence = (
        f"{what} is {percent(ours)} against the champion's {percent(theirs)} on {images(pair.n)},"
        f" {higher_or_lower(pair.difference)}"
    )
    p = float(sign_test_of_harm(pair.b, pair.c))
    return _Test(
        f"harm-{name}",
        pair.difference,
        "at-least",
        change_interval(pair.b, pair.c, pair.n),
        pair.n,
        p,
        sentence,
    )


def _whole(case: Case) -> Iterator[_Test]:
    """Figures of all rows together, by the paired bootstrap."""
    if len(case.tested) < case.policy.min_rows:
        return
    yield _of_figure(case, "macro_f1", "Macro F1", 1, percent)
    yield _of_figure(case, "log_loss", "Log loss", -1, "{:.3f}".format)
    yield _of_figure(case, "ece", "Calibration error (ECE)", -1, "{:.3f}".format)


def _of_figure(
    case: Case, figure: str, what: str, good: int, written: Callable[[float], str]
) -> _Test:
    """One figure of all rows. good: 1 where more of it is better, -1 where less is."""
    rows, points, resampled = len(case.tested), case.tested.figures, case.resampled
    ours, theirs = (float(getattr(points[role], figure)) for role in ("challenger", "champion"))
    differences = getattr(resampled["challenger"], figure) - getattr(resampled["champion"], figure)
    low, high = (float(bound) for bound in np.quantile(differences, (0.025, 0.975)))
    sentence = (
        f"{what} is {written(ours)} against the champion's {written(theirs)} on {images(rows)}"
    )
    direction: Direction = "at-least" if good > 0 else "at-most"
    p = p_value_of_harm(-good * differences)
    return _Test(
        f"harm-{figure.replace('_', '-')}", ours - theirs, direction, (low, high), rows, p, sentence
    )
