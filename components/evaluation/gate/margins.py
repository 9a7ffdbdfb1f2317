"""What a margin costs: which margins so many test rows resolve, as a table for people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

from components.evaluation.gate.statistics import normal_quantile, rows_needed, smallest_margin
from components.shared.preset import GatePolicy

SHARES = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.25, 0.30)


def largest_share(policy: GatePolicy, rows: int) -> float:
    """Return the largest share p of discordant rows at which ``rows`` still resolve the policy's margin."""
    return (
        rows
        * (policy.margin / (normal_quantile(1 - policy.alpha) + normal_quantile(policy.power))) ** 2
    )


def chance_of_passing(p: float, rows: int, policy: GatePolicy, difference: float = 0.0) -> float:
    """Return the chance that a challenger whose true accuracy differs by ``difference`` passes the non-inferiority test (normal approximation)."""
    error = math.sqrt((p - difference**2) / rows)
    return NormalDist().cdf(
        (policy.margin + difference) / error - normal_quantile(1 - policy.alpha)
    )


def plan(policy: GatePolicy, rows: int) -> Iterator[str]:
    """Yield the table, line by line."""
    margin = 100 * policy.margin
    yield (
        f"{rows:,} test rows, margin {margin:g} points, alpha {policy.alpha:g} one-sided, power"
        f" {policy.power:.0%}"
    )
    yield (
        "They resolve that margin while the two models differ on at most"
        f" {largest_share(policy, rows):.1%} of the rows."
    )
    yield ""
    yield "models differ   smallest margin   rows that       is promoted if   is promoted if"
    yield (
        f"on (p)          these resolve     {margin:g} points need   truly equal      truly"
        f" {margin:g} points worse"
    )
    for p in SHARES:
        smallest, needed = (
            100 * smallest_margin(p, rows, policy.alpha, policy.power),
            rows_needed(p, policy.margin, policy.alpha, policy.power),
        )
        equal = (
            f"{chance_of_passing(p, rows, policy):.1%}" if needed <= rows else "a person decides"
        )
        worse = (
            f"{chance_of_passing(p, rows, policy, -policy.margin):.1%}"
            if needed <= rows and p > policy.margin**2
            else "-"
        )
        yield f"{p:<14.0%}  {smallest:<5.2f} points      {needed:<16,}  {equal:<15}  {worse}"
    yield ""
    yield (
        "Of the non-inferiority test alone; pre-screen, anchor and harm tests take a little off"
        " both."
    )
