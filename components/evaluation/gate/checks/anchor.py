"""The anchor: the best model ever.

A champion may drift below it by no more than twice the margin, over any number of nights.

The test is that of non-inferiority, at the level that this look may spend. At a fixed level it
would not hold: where many challengers in a row are a little worse, each night is another chance of
5 % to slip past the anchor, and `benchmarks/gate_operating_characteristics.py` shows more than the
5 % of histories that may end too low. Spent over the looks, the chance of ever promoting a model
that is truly more than twice the margin below the anchor is at most alpha.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation.gate.case import Case
from components.evaluation.gate.checks.non_inferiority import compared
from components.evaluation.gate.statistics import spent
from components.shared.findings import Check


def anchor(case: Case) -> Iterator[Check]:
    """Yield the check against the anchor, where there is one beside the champion."""
    if "anchor" in case.versions and "champion" in case.versions:
        yield compared(
            case, "anchor", 2 * case.policy.margin, spent(case.policy.alpha, case.look), "anchor"
        )
