"""Findings of evaluate from drawn predictions, so that all their figures agree with one another."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from components.shared.findings import (
    ClassScore,
    Comparison,
    EvaluateFindings,
    SamplePrediction,
    Scores,
)
from components.shared.findings.evaluation import (
    Change,
    Curve,
    PartScore,
    ReliabilityBin,
    SoftScore,
)
from tests.reporting.faces import face

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SUPPORTS = (164, 52, 168, 210, 160, 148, 120)
SKILL = (0.82, 0.55, 0.6, 0.95, 0.78, 0.7, 0.88)  # of a middling model, per class


@dataclass(frozen=True)
class Rows:
    """True labels as indices, what two models say, and how bright each image is."""

    labels: tuple[int, ...]
    challenger: tuple[tuple[float, ...], ...]
    champion: tuple[tuple[float, ...], ...]
    bright: tuple[float, ...]


@cache
def drawn(gain: float = 0.03, seed: int = 3) -> Rows:
    """Predictions of two models that mostly agree; the challenger is right ``gain`` more often."""
    rng = random.Random(seed)
    labels = tuple(index for index, support in enumerate(SUPPORTS) for _ in range(support))
    both = [_pair(label, gain, rng) for label in labels]
    return Rows(
        labels,
        tuple(new for new, _ in both),
        tuple(old for _, old in both),
        tuple(rng.random() for _ in labels),
    )


def _pair(
    label: int, gain: float, rng: random.Random
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    luck, miss, repeat = (
        rng.random(),
        rng.choice([index for index in range(7) if index != label]),
        rng.random() < 0.85,
    )
    new = label if luck < SKILL[label] + gain else miss
    old = new if repeat else label if rng.random() < SKILL[label] else miss
    return _probabilities(new, rng), _probabilities(old, rng)


def _probabilities(said: int, rng: random.Random) -> tuple[float, ...]:
    weights = [rng.random() * 0.25 for _ in LABELS]
    weights[said] += 0.25 + rng.random() ** 2 * 4
    return tuple(weight / sum(weights) for weight in weights)


@cache
def evaluation(challenger: str, champion: str | None, gain: float = 0.03) -> EvaluateFindings:
    """Everything that evaluate finds of ``drawn(gain)``."""
    rows = drawn(gain)
    new, old = _said(rows.challenger), _said(rows.champion)
    right = [(a == t, b == t) for a, b, t in zip(new, old, rows.labels, strict=True)]
    theirs = scores(champion, rows.labels, rows.champion) if champion else None
    everything = range(len(rows.labels))
    bins = {
        "dark (below 85)": (0, 1 / 3),
        "medium (85 to 170)": (1 / 3, 2 / 3),
        "bright (170 and above)": (2 / 3, 1),
    }
    slices = [
        (name, [row for row in everything if low <= rows.bright[row] < high])
        for name, (low, high) in bins.items()
    ]
    classes = [
        (label, [row for row in everything if rows.labels[row] == index])
        for index, label in enumerate(LABELS)
    ]
    flipped = {
        way: [row for row in everything if right[row] == way]
        for way in ((True, False), (False, True))
    }
    comparison = Comparison(
        len(right),
        right.count((True, True)),
        right.count((True, False)),
        right.count((False, True)),
        right.count((False, False)),
    )
    return EvaluateFindings(
        "b" * 64,
        LABELS,
        scores(challenger, rows.labels, rows.challenger),
        theirs,
        theirs,
        comparison if champion else None,
        tuple(_sample(rows, row, champion) for row in range(0, 1022, 43)),
        test_set="7" * 64,
        anchor_comparison=comparison if champion else None,
        held_out=comparison if champion else None,
        classes=tuple(_change("class", name, part, right, champion) for name, part in classes),
        slices=tuple(_change("brightness", name, part, right, champion) for name, part in slices),
        gained=tuple(_sample(rows, row, champion) for row in flipped[True, False][:24])
        if champion
        else (),
        lost=tuple(_sample(rows, row, champion) for row in flipped[False, True][:24])
        if champion
        else (),
    )


def scores(version: str, labels: Sequence[int], probabilities: Sequence[Sequence[float]]) -> Scores:
    said = _said(probabilities)
    confusion = [[0] * 7 for _ in LABELS]
    for true, answer in zip(labels, said, strict=True):
        confusion[true][answer] += 1
    per_class = tuple(_class(index, confusion) for index in range(7))
    rows, right = len(labels), sum(confusion[index][index] for index in range(7))
    accuracy, bins = right / rows, _reliability(labels, probabilities)
    spread = 1.96 * math.sqrt(accuracy * (1 - accuracy) / rows)
    loss = -sum(math.log(row[true]) for row, true in zip(probabilities, labels, strict=True)) / rows
    ece = sum(held.rows * abs(held.confidence - held.accuracy) for held in bins) / rows
    macro = sum(score.f1 for score in per_class) / 7
    return Scores(
        version,
        rows,
        accuracy,
        sum(score.recall for score in per_class) / 7,
        macro,
        max(SUPPORTS) / rows,
        loss,
        0.31,
        ece,
        accuracy - 0.004,
        rows - 11,
        per_class,
        tuple(tuple(row) for row in confusion),
        (accuracy - spread, accuracy + spread),
        bins,
        tuple(_curve(index, labels, probabilities) for index in range(7)),
        (
            PartScore(
                "without exact copies of training rows",
                rows - 11,
                accuracy - 0.004,
                macro - 0.003,
                loss + 0.01,
                ece,
            ),
        ),
        SoftScore(rows, 1.21, 0.88, 0.29, 0.803),
    )


def _class(index: int, confusion: list[list[int]]) -> ClassScore:
    hits, support, answers = (
        confusion[index][index],
        sum(confusion[index]),
        sum(row[index] for row in confusion),
    )
    return ClassScore(
        LABELS[index],
        hits / max(1, answers),
        hits / support,
        2 * hits / (support + answers),
        support,
    )


def _reliability(
    labels: Sequence[int], probabilities: Sequence[Sequence[float]]
) -> tuple[ReliabilityBin, ...]:
    held: dict[int, list[tuple[float, bool]]] = {}
    for row, true in zip(probabilities, labels, strict=True):
        held.setdefault(min(14, int(max(row) * 15)), []).append(
            (max(row), row.index(max(row)) == true)
        )
    return tuple(
        ReliabilityBin(
            at / 15,
            (at + 1) / 15,
            len(rows),
            sum(sure for sure, _ in rows) / len(rows),
            sum(hit for _, hit in rows) / len(rows),
        )
        for at, rows in sorted(held.items())
    )


def _curve(index: int, labels: Sequence[int], probabilities: Sequence[Sequence[float]]) -> Curve:
    ranked = sorted(
        zip((row[index] for row in probabilities), (true == index for true in labels), strict=True),
        reverse=True,
    )
    positives = sum(hit for _, hit in ranked)
    points, hits = [(0.0, 0.0, 1.0)], 0
    for at, (_, hit) in enumerate(ranked, start=1):
        hits += hit
        points.append((hits / positives, (at - hits) / (len(ranked) - positives), hits / at))
    thinned = [*points[::20], points[-1]]
    area = sum((b[1] - a[1]) * (a[0] + b[0]) / 2 for a, b in itertools.pairwise(points))
    recall = tuple(point[0] for point in reversed(thinned))
    return Curve(
        LABELS[index],
        positives,
        area,
        sum((b[0] - a[0]) * b[2] for a, b in itertools.pairwise(points)),
        tuple(point[1] for point in thinned),
        tuple(point[0] for point in thinned),
        recall,
        tuple(point[2] for point in reversed(thinned)),
    )


def _change(
    kind: str, name: str, part: list[int], right: list[tuple[bool, bool]], champion: str | None
) -> Change:
    gained, lost = (
        sum(right[row] == way for row in part) for way in ((True, False), (False, True))
    )
    mine = sum(right[row][0] for row in part) / len(part)
    if champion is None:
        return Change(kind, name, len(part), mine, None)
    difference = (gained - lost) / len(part)
    spread = 1.96 * math.sqrt(max(0.0, (gained + lost) / len(part) - difference**2) / len(part))
    return Change(
        kind,
        name,
        len(part),
        mine,
        mine - difference,
        difference,
        (difference - spread, difference + spread),
        gained,
        lost,
    )


def _sample(rows: Rows, row: int, champion: str | None) -> SamplePrediction:
    true, mine, theirs = rows.labels[row], rows.challenger[row], rows.champion[row]
    said = LABELS[theirs.index(max(theirs))] if champion else None
    return SamplePrediction(
        f"{row:064x}",
        face(true, row % 24),
        LABELS[true],
        LABELS[mine.index(max(mine))],
        mine,
        said,
        theirs if champion else (),
    )


def _said(probabilities: Sequence[Sequence[float]]) -> list[int]:
    return [row.index(max(row)) for row in probabilities]
