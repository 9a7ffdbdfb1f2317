"""The decision: all families of checks, and the word that follows from their outcomes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from components.evaluation.gate.case import Case
from components.evaluation.gate.checks.anchor import anchor
from components.evaluation.gate.checks.first_model import first_model
from components.evaluation.gate.checks.floors import floors
from components.evaluation.gate.checks.harm import harm
from components.evaluation.gate.checks.integrity import integrity
from components.evaluation.gate.checks.non_inferiority import non_inferiority, resolution
from components.evaluation.gate.checks.operations import operations
from components.evaluation.gate.checks.prescreen import prescreen, stops
from components.evaluation.gate.checks.superiority import shown_better, superiority
from components.evaluation.gate.statistics import spent
from components.evaluation.gate.words import images
from components.shared.errors import ContractError
from components.shared.findings import Check, Looks, Verdict
from components.shared.serialization import digest
from components.shared.text import percent

Family = Callable[[Case], Iterator[Check]]
Word = Literal["blessed", "rejected", "needs-approval"]

# Figures that aren't numbers can't be judged any further; and a challenger that the pre-screen
# stops doesn't meet the test rows.
UNSOUND: tuple[Family, ...] = (integrity,)
STOPPED: tuple[Family, ...] = (integrity, prescreen, operations)
FULL: tuple[Family, ...] = (
    integrity,
    prescreen,
    floors,
    non_inferiority,
    anchor,
    superiority,
    harm,
    operations,
    first_model,
)

# Looks at N test rows after which fresh ones are advised: a hundredth of N.
ROWS_PER_LOOK = 100


def decide(case: Case) -> Verdict:
    """Judge a challenger: one fail rejects, one ask needs approval, otherwise it is blessed.

    Raises:
        ContractError: the pre-screen lets the challenger through, but the test rows weren't scored.
    """
    if stops(case.held_out, case.policy.margin):
        case = replace(case, test=None)  # not looked at, even where they were scored
    families = _families(case)
    checks = tuple(check for family in families for check in family(case))
    outcomes = {check.outcome for check in checks}
    word: Word = (
        "rejected" if "fail" in outcomes else "needs-approval" if "ask" in outcomes else "blessed"
    )
    telling = {"rejected": "fail", "needs-approval": "ask", "blessed": ""}[word]
    decided = [check for check in checks if check.outcome == telling]
    sound = families is not UNSOUND
    return Verdict(
        word=word,
        model_name=case.model_name,
        challenger=case.versions["challenger"],
        champion=case.versions.get("champion"),
        anchor=case.versions.get("anchor"),
        reasons=tuple(check.sentence for check in decided) or (_praise(case, checks),),
        checks=checks,
        deciding=tuple(check.name for check in decided),
        better=sound and shown_better(case, "champion"),
        better_than_anchor=sound
        and ("anchor" not in case.versions or shown_better(case, "anchor")),
        resolution=resolution(case) if sound else None,
        looks=_looks(case) if sound and case.test is not None else None,
        policy_digest=digest(case.policy),
    )


def _families(case: Case) -> tuple[Family, ...]:
    if any(check.outcome == "fail" for check in integrity(case)):
        return UNSOUND
    if stops(case.held_out, case.policy.margin):
        return STOPPED
    if case.test is None:
        raise ContractError(
            "the test rows weren't scored, though the pre-screen lets the challenger through",
            expected="predictions of the test rows",
            received="those of the held-out rows alone",
            fix="run evaluate again under this policy",
        )
    return FULL


def _looks(case: Case) -> Looks:
    rows = len(case.tested)
    limit = max(1, rows // ROWS_PER_LOOK)
    advice = (
        f"{case.look:,} challengers have met these {images(rows)}, more than the {limit:,} that"
        " they bear: what is learned from them no longer holds for new faces as surely. Bring"
        " fresh test images."
        if case.look > limit
        else ""
    )
    return Looks(case.test_set, case.look, limit, spent(case.policy.alpha, case.look), advice)


def _praise(case: Case, checks: tuple[Check, ...]) -> str:
    tested, ours = case.tested, case.tested.figures["challenger"]
    judged = sum(check.outcome == "pass" for check in checks)
    few = sum(check.outcome == "insufficient" for check in checks)
    passed = f"all {judged} checks passed" + (
        f", {few} more had too few images to judge" if few else ""
    )
    figures = f"accuracy {percent(float(ours.accuracy))}, macro F1 {percent(float(ours.macro_f1))}"
    if "champion" not in case.versions:
        return f"First model: {figures} on {images(len(tested))}; {passed}."
    theirs = tested.figures["champion"]
    word = (
        "Better than the champion"
        if shown_better(case, "champion")
        else "Not worse than the champion"
    )
    return (
        f"{word}: {figures} against {percent(float(theirs.accuracy))} and"
        f" {percent(float(theirs.macro_f1))} on the same {images(len(tested))}; {passed}."
    )
