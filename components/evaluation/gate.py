"""The gate: what a challenger must show, as a list of checks, and the word that follows from them.

A check family is a function from the case to checks; `FAMILIES` lists them. The word follows from the
outcomes alone: one fail rejects, one ask needs approval, otherwise the challenger is blessed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from components.contracts.errors import ContractError
from components.contracts.findings import Check, EvaluateFindings, Scores, ServingFindings, Verdict
from components.contracts.night import NightPlan
from components.contracts.preset import GatePolicy

# Differences of counts by rows meet their bound exactly or not at all; binary fractions would blur that.
ROUNDING = 1e-9

Word = Literal["blessed", "rejected", "needs-approval"]


@dataclass(frozen=True)
class Case:
    """All that the gate knows."""

    evaluation: EvaluateFindings
    serving: ServingFindings
    policy: GatePolicy


def judge(evaluation: EvaluateFindings, serving: ServingFindings, policy: GatePolicy, *, model_name: str, plan: NightPlan) -> Verdict:
    """Judge a challenger.

    Raises:
        ContractError: the findings are about different models, rows or champions.
    """
    _same_case(evaluation, serving, plan)
    case = Case(evaluation, serving, policy)
    checks = tuple(check for family in FAMILIES for check in family(case))
    outcomes = {check.outcome for check in checks}
    word: Word = "rejected" if "fail" in outcomes else "needs-approval" if "ask" in outcomes else "blessed"
    telling = {"rejected": "fail", "needs-approval": "ask", "blessed": ""}[word]
    reasons = tuple(check.sentence for check in checks if check.outcome == telling) or (_praise(case, len(checks)),)
    return Verdict(
        word=word,
        model_name=model_name,
        challenger=evaluation.challenger.version,
        champion=evaluation.champion.version if evaluation.champion else None,
        anchor=evaluation.anchor.version if evaluation.anchor else None,
        reasons=reasons,
        checks=checks,
    )


def _finite(case: Case) -> Iterator[Check]:
    """No figure may be NaN or infinite: such a figure clears or misses any bound by accident."""
    broken = [*_not_finite(case.evaluation, "evaluation"), *_not_finite(case.serving, "serving check")]
    shown = ", ".join(broken[:5]) + (" and others" if len(broken) > 5 else "")
    sentence = f"{len(broken)} figures aren't finite numbers: {shown}." if broken else "Every figure is a finite number."
    yield Check("finite-figures", float(len(broken)), 0.0, "at-most", "fail" if broken else "pass", sentence)


def _floors(case: Case) -> Iterator[Check]:
    ours, policy = case.evaluation.challenger, case.policy
    for name, words, value, bound in (
        ("accuracy", "Accuracy", ours.accuracy, policy.min_accuracy),
        ("macro-f1", "Macro F1", ours.macro_f1, policy.min_macro_f1),
    ):
        sentence = f"{words} is {_percent(value)} on {ours.rows:,} test images; the floor is {_percent(bound)}."
        yield from _at_least(name, value, bound, ours.rows, sentence)
    gain = ours.accuracy - ours.majority_share
    majority = f"always answering the most frequent class ({_percent(ours.majority_share)})"
    where = f"{_points(abs(gain))} {'above' if gain >= 0 else 'below'} {majority}"
    sentence = f"Accuracy is {where} on {ours.rows:,} test images; at least {_points(policy.min_gain_over_majority)} above is wanted."
    yield from _at_least("gain-over-majority", gain, policy.min_gain_over_majority, ours.rows, sentence)


def _against_champion(case: Case) -> Iterator[Check]:
    ours, theirs, policy = case.evaluation.challenger, case.evaluation.champion, case.policy
    if theirs is None:
        return
    for name, words, new, old, bound in (
        ("accuracy-drop", "Accuracy", ours.accuracy, theirs.accuracy, policy.max_accuracy_drop),
        ("macro-f1-drop", "Macro F1", ours.macro_f1, theirs.macro_f1, policy.max_macro_f1_drop),
    ):
        yield from _at_most(name, old - new, bound, ours.rows, _change(words, new, old, ours.rows, bound))
    before = {score.label: score for score in theirs.per_class}
    for score in ours.per_class:
        if score.support < max(1, policy.min_rows_per_class):
            continue
        old = before[score.label].recall
        sentence = _change(f"Recall of {score.label}", score.recall, old, score.support, policy.max_recall_drop)
        yield from _at_most(f"recall-drop-{score.label}", old - score.recall, policy.max_recall_drop, score.support, sentence)


def _served(case: Case) -> Iterator[Check]:
    serving, policy = case.serving, case.policy
    failures = serving.golden_failures if serving.golden_images else 1
    words = "No golden image was sent to the server, so nothing shows that it answers as evaluated."
    if serving.golden_images:
        wrong = f"{serving.golden_failures} of {serving.golden_images} golden images"
        words = f"{wrong} got another answer from the server than expected; none may."
    yield from _at_most("golden-failures", float(failures), 0.0, serving.golden_images, words)
    difference = serving.golden_max_difference
    words = f"Served and expected probabilities differ by {difference:.2g} at most; {policy.max_golden_difference:.2g} is allowed."
    yield from _at_most("golden-difference", difference, policy.max_golden_difference, serving.golden_images, words)
    size = serving.challenger.model_bytes
    words = f"The served file has {size:,} bytes; {policy.max_model_bytes:,} are allowed."
    yield from _at_most("model-bytes", float(size), float(policy.max_model_bytes), 0, words)


def _first_model(case: Case) -> Iterator[Check]:
    if case.evaluation.champion is not None:
        return
    asks = case.policy.first_model == "ask"
    sentence = (
        "No model serves yet, and the policy leaves the first one to a person."
        if asks
        else "No model serves yet; the policy promotes a first model that clears the floors."
    )
    yield Check("champion-to-beat", 0.0, 1.0 if asks else 0.0, "at-least", "ask" if asks else "pass", sentence)


FAMILIES: tuple[Callable[[Case], Iterator[Check]], ...] = (_finite, _floors, _against_champion, _served, _first_model)


def _at_least(name: str, value: float, bound: float, rows: int, sentence: str) -> Iterator[Check]:
    if math.isfinite(value):  # otherwise finite-figures fails, and says so
        yield Check(name, value, bound, "at-least", "pass" if value >= bound - ROUNDING else "fail", sentence, rows=rows)


def _at_most(name: str, value: float, bound: float, rows: int, sentence: str) -> Iterator[Check]:
    if math.isfinite(value):
        passed = value <= bound + ROUNDING
        yield Check(name, value, bound, "at-most", "pass" if passed else "fail", sentence, rows=rows)


def _change(what: str, new: float, old: float, rows: int, bound: float) -> str:
    direction = "unchanged" if new == old else f"{_points(abs(new - old))} {'higher' if new > old else 'lower'}"
    change = f"{what} is {_percent(new)} against the champion's {_percent(old)} ({direction})"
    return f"{change} on the same {rows:,} test images; a drop of {_points(bound)} is allowed."


def _praise(case: Case, checks: int) -> str:
    ours, theirs = case.evaluation.challenger, case.evaluation.champion
    if theirs is None:
        figures = f"accuracy {_percent(ours.accuracy)}, macro F1 {_percent(ours.macro_f1)}"
        return f"First model: {figures} on {ours.rows:,} test images; all {checks} checks passed."
    return (
        f"Accuracy {_percent(ours.accuracy)} against the champion's {_percent(theirs.accuracy)} on the same {ours.rows:,} test images"
        f" (macro F1 {_percent(ours.macro_f1)} against {_percent(theirs.macro_f1)}); all {checks} checks passed."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    """A difference of shares, as percentage points."""
    return f"{100 * value:.1f} points" if value >= 0.0005 or value == 0 else f"{100 * value:.2g} points"


def _not_finite(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _not_finite(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{place}[{index}]")


def _same_case(evaluation: EvaluateFindings, serving: ServingFindings, plan: NightPlan) -> None:
    ours = evaluation.challenger
    _require("served and evaluated challenger", ours.version, serving.challenger.version)
    for who, planned, other in (("champion", plan.champion, evaluation.champion), ("anchor", plan.anchor, evaluation.anchor)):
        _require(f"evaluated {who} and that of the night plan", planned and planned.version, other and other.version)
        if other is not None:
            _require(f"test rows of challenger and {who}", _support(ours), _support(other))
    if evaluation.champion is not None:
        _require("test rows of challenger and comparison", ours.rows, evaluation.comparison and evaluation.comparison.rows)


def _support(scores: Scores) -> tuple[tuple[str, int], ...]:
    return tuple((score.label, score.support) for score in scores.per_class)


def _require(what: str, expected: object, received: object) -> None:
    if expected != received:
        raise ContractError(
            f"{what} aren't the same",
            expected=str(expected),
            received=str(received),
            fix="run evaluate and check-serving of the same run again",
        )
