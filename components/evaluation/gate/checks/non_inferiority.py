"""Non-inferiority to the champion.

The lower confidence bound of the paired difference must stay above minus the margin.

A margin that the rows can't resolve is never passed over: with too few rows an equal challenger
fails by chance more often than the policy's power allows, and so the verdict belongs to a person.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation.gate.case import Case, Paired
from components.evaluation.gate.statistics import paired_interval, rows_needed, smallest_margin
from components.evaluation.gate.words import higher_or_lower, images, points
from components.shared.findings import Check, Resolution
from components.shared.findings.evaluation import Outcome
from components.shared.text import percent


def resolution(case: Case) -> Resolution | None:
    """Return what the test rows can resolve at the observed share of discordant rows.

    None without champion or test rows.
    """
    if case.test is None or "champion" not in case.versions:
        return None
    return _resolution(
        case.test.paired("champion"), case.policy.margin, case.policy.alpha, case.policy.power
    )


def non_inferiority(case: Case) -> Iterator[Check]:
    """Yield the check against the champion, where there is one."""
    if "champion" in case.versions:
        yield compared(case, "champion", case.policy.margin, case.policy.alpha, "non-inferiority")


def compared(case: Case, who: str, margin: float, level: float, family: str) -> Check:
    """Return the non-inferiority test against one model.

    Args:
        margin: how much worse the challenger may be. level: one-sided, of the test.
    """
    tested, policy = case.tested, case.policy
    pair = tested.paired(who)
    low, high = (float(bound) for bound in paired_interval(pair.b, pair.c, pair.n, level))
    found = _resolution(pair, margin, policy.alpha, policy.power)
    outcome: Outcome = "pass" if low > -margin else "fail"
    sentence = (
        f"Accuracy is {percent(tested.accuracy('challenger'))} against the {who}'s"
        f" {percent(tested.accuracy(who))} on the same {images(pair.n)},"
        f" {higher_or_lower(pair.difference)}; with {100 * (1 - level):.4g}% confidence at most"
        f" {points(max(0.0, -low))} lower, where {points(margin)} are allowed."
    )
    # No margin matters to a challenger whose whole interval lies above 0, nor to one whose interval
    # lies below any allowed loss.
    if found.rows_needed > found.rows and low <= 0 and high >= -margin:
        outcome = "ask"
        sentence += (
            f" A person must decide: the two differ on {percent(found.discordant)} of the images,"
            f" so {found.rows:,} of them resolve {points(found.smallest_margin)} at"
            f" {policy.power:.0%} power, and {points(margin)} need {found.rows_needed:,}."
        )
    return Check(
        family,
        pair.difference,
        -margin,
        "at-least",
        outcome,
        sentence,
        (low, high),
        pair.n,
        family,
        threshold=level,
    )


def _resolution(pair: Paired, margin: float, alpha: float, power: float) -> Resolution:
    p = pair.discordant
    return Resolution(
        pair.n,
        margin,
        p,
        power,
        smallest_margin(p, pair.n, alpha, power),
        rows_needed(p, margin, alpha, power),
    )
