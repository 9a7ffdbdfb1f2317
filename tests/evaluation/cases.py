"""Cases for the gate: predictions of two models, made cell by cell of the paired table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from components.evaluation.gate.case import Answers, Case
from components.evaluation.gate.decide import decide
from components.evaluation.scoring.slices import Slice
from components.shared.findings import Check, ServingFindings, ServingMeasurement, Verdict
from components.shared.preset import GatePolicy

NAMES = ("happy", "sad", "angry")
POLICY = GatePolicy(
    min_accuracy=0.5, min_macro_f1=0.4, margin=0.02, resamples=2000, first_model="ask"
)
ROWS_OF_CLASS = 1000


def measured(
    version: str = "new", p95: float = 2.0, model_bytes: int = 1000, cold: float = 3.0
) -> ServingMeasurement:
    return ServingMeasurement(version, cold, 1.0, p95, 500.0, 10**8, model_bytes)


SERVING = ServingFindings(64, 0, 1e-6, measured(), measured("old"), "kserve", 1.0, (0.95, 1.05))


def answers(
    gained: Mapping[str, int],
    lost: Mapping[str, int],
    *,
    wrong: int = 200,
    rows: int = ROWS_OF_CLASS,
    rows_of_angry: int | None = None,
    sure: tuple[float, float] = (0.8, 0.8),
    sure_when_wrong: tuple[float, float] = (0.6, 0.6),
    anchor_lost: int = 0,
    slices: Mapping[str, np.ndarray] | None = None,
) -> Answers:
    """Rows of three classes.

    Of each class the first ``gained`` only the challenger gets right, the next ``lost`` only the.
    champion, the next ``wrong`` neither, the rest both. ``sure`` is what challenger and champion
    give their answer where it is right. ``anchor_lost`` more rows of happy, at the end, that the
    anchor alone gets right.
    """
    labels = np.repeat(np.arange(len(NAMES)), [rows, rows, rows_of_angry or rows])
    right = np.ones((3, len(labels)), bool)
    for index, name in enumerate(NAMES):
        begin, b, c = index * rows, gained.get(name, 0), lost.get(name, 0)
        right[1:, begin : begin + b] = False
        right[0, begin + b : begin + b + c] = False
        right[:, begin + b + c : begin + b + c + wrong] = False
    right[:2, rows - anchor_lost : rows] = False
    tables = []
    for who, correct in enumerate(right):
        place = min(who, 1)
        said = np.where(correct, labels, (labels + 1) % 3)
        top = np.where(correct, sure[place], sure_when_wrong[place])
        table = np.repeat(((1 - top) / 2)[:, None], 3, axis=1)
        table[np.arange(len(labels)), said] = top
        tables.append(table.astype(np.float32))
    given = dict(zip(("challenger", "champion", "anchor"), tables, strict=True))
    pieces = tuple(Slice("brightness", name, member) for name, member in (slices or {}).items())
    return Answers(labels, np.arange(len(labels)), pieces, given)


EVEN = dict.fromkeys(NAMES, 20)


def case(test: Answers | None = None, held_out: Answers | None = None, **changes: object) -> Case:
    """A challenger as good as the champion, but for what is given."""
    good = Case(
        "faces",
        NAMES,
        {"challenger": "new", "champion": "old", "anchor": "first"},
        held_out or answers(EVEN, EVEN),
        test or answers(EVEN, EVEN),
        SERVING,
        POLICY,
        1,
        "t" * 64,
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def check(verdict: Verdict, name: str) -> Check:
    (found,) = [each for each in verdict.checks if each.name == name]
    return found


def judged(*given: Answers, **changes: object) -> Verdict:
    return decide(case(*given, **changes))
