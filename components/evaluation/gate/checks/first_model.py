"""First model: nobody to compare with, so the policy says whether clearing the floors is enough."""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation.gate.case import Case
from components.shared.findings import Check


def first_model(case: Case) -> Iterator[Check]:
    """Yield the check that there is a champion to beat, or that the policy needs none."""
    if "champion" in case.versions:
        return
    asks = case.policy.first_model == "ask"
    sentence = (
        "No model serves yet, and the policy leaves the first one to a person."
        if asks
        else "No model serves yet; the policy promotes a first model that clears the floors."
    )
    yield Check(
        "champion-to-beat",
        0.0,
        1.0 if asks else 0.0,
        "at-least",
        "ask" if asks else "pass",
        sentence,
        family="first-model",
    )
