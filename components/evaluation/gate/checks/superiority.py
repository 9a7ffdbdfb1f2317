"""Superiority: needed only to say "better" and to raise the anchor.

It blesses nothing and rejects nothing.

McNemar's exact test, two-sided, so that each direction has half of the level and the two claims of
one look, over the champion and over the anchor, err together with probability at most the level
that the look may spend.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation.gate.case import Case
from components.evaluation.gate.statistics import change_interval, mcnemar, spent
from components.evaluation.gate.words import images, p_value
from components.shared.findings import Check


def shown_better(case: Case, who: str) -> bool:
    """Whether the challenger is shown to be better than ``who``.

    False where the test rows weren't scored.
    """
    if case.test is None or who not in case.versions:
        return False
    pair = case.test.paired(who)
    return pair.b > pair.c and float(mcnemar(pair.b, pair.c)) <= spent(case.policy.alpha, case.look)


def superiority(case: Case) -> Iterator[Check]:
    """Yield the claims to be better than the champion and the anchor."""
    if "champion" not in case.versions:
        return
    same = case.versions.get("anchor") in (None, case.versions["champion"])
    for who in ("champion",) if same else ("champion", "anchor"):
        pair, level = case.tested.paired(who), spent(case.policy.alpha, case.look)
        p = float(mcnemar(pair.b, pair.c))
        words = (
            f"Shown to be better than the {who}"
            if shown_better(case, who)
            else f"Not shown to be better than the {who}"
        )
        sentence = (
            f"{words}: of {images(pair.n)} only the challenger gets {pair.b:,} right and only the"
            f" {who} {pair.c:,}; McNemar's exact {p_value(p)}, at look {case.look:,} at these"
            f" images {level:.2g} or less is wanted."
        )
        yield Check(
            f"better-than-{who}",
            pair.difference,
            0.0,
            "at-least",
            "note",
            sentence,
            change_interval(pair.b, pair.c, pair.n),
            pair.n,
            "superiority",
            p,
            level,
        )
