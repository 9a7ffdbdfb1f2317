"""Integrity.

No figure may be NaN or infinite, for such a figure clears or misses any bound by accident.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from components.evaluation.gate.case import Case
from components.shared.findings import Check


def integrity(case: Case) -> Iterator[Check]:
    """Yield the check that every figure is finite."""
    broken = [*_of_predictions(case), *_not_finite(case.serving, "serving check")]
    shown = ", ".join(broken[:5]) + (" and others" if len(broken) > 5 else "")
    sentence = (
        f"Not every figure is a finite number: {shown}."
        if broken
        else "Every prediction and measurement is a finite number."
    )
    yield Check(
        "finite-figures",
        float(len(broken)),
        0.0,
        "at-most",
        "fail" if broken else "pass",
        sentence,
        family="integrity",
    )


def _of_predictions(case: Case) -> Iterator[str]:
    for place, answers in (("held-out", case.held_out), ("test", case.test)):
        for role, table in answers.probabilities.items() if answers else ():
            rows = int((~np.isfinite(table).all(axis=1)).sum())
            if rows:
                yield f"{role}'s probabilities on {rows:,} {place} rows"


def _not_finite(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _not_finite(getattr(value, field.name), f"{place}.{field.name}")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{place}[{index}]")
