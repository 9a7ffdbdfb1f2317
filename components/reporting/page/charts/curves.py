"""Curves: learning, reliability, one class against the rest, and the nights one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from components.reporting.page.charts.svg import (
    Axis,
    Plot,
    Point,
    element,
    figure,
    line,
    number_ticks,
    percent_ticks,
    text,
    ticks,
)
from components.shared.findings import Curve, Scores

SHARE = Axis(0, 1, percent_ticks(0, 1, 4))
Models = Sequence[
    tuple[str, Scores]
]  # challenger and champion, each with the class that it is drawn in

FEW_NIGHTS = 8


def learning_curve(
    key: str, history: Mapping[str, Sequence[float]], best_epoch: int, stages: Sequence[int]
) -> Markup:
    """``accuracy`` or ``loss`` per epoch on training and held-out rows, with each later stage's first epoch and the best epoch."""
    training, held_out = history[key], history[f"val_{key}"]
    lowest, highest = min([*training, *held_out]), max([*training, *held_out])
    if key == "accuracy":
        low, high = max(0.0, lowest - 0.05), min(1.0, highest + 0.05)
        y = Axis(low, high, percent_ticks(low, high))
    else:
        y = Axis(0, highest * 1.05, number_ticks(0, highest * 1.05))
    epochs = max(2, len(held_out))
    x = Axis(
        1, epochs, tuple((at, f"{at:.0f}") for at in ticks(1, epochs, 8) if at == int(at)), "epoch"
    )
    plot = Plot(f"Learning curve: {key}", 440, 250, x, y, top=22)
    shapes: list[Markup] = []
    for number, first in enumerate(stages[1:], start=2):
        x_at, _ = plot.at(first - 0.5, y.low)
        shapes += [
            line((x_at, plot.top), (x_at, plot.height - plot.bottom), "divider"),
            text(x_at, 12, f"stage {number}", "middle small"),
        ]
    shapes += [
        plot.curve(_by_epoch(training), "training"),
        plot.curve(_by_epoch(held_out), "challenger"),
    ]
    if 1 <= best_epoch <= len(held_out):
        shapes += _best(plot, best_epoch, held_out[best_epoch - 1], rising=key == "accuracy")
    return plot.drawn(*shapes)


def _best(plot: Plot, epoch: int, value: float, *, rising: bool) -> list[Markup]:
    """Return the epoch whose weights were kept, with its value on the side where the curve isn't."""
    told = f"epoch {epoch}: {value:.1%}" if rising else f"epoch {epoch}: {value:.3f}"
    x, y = plot.at(epoch, value)
    words = text(
        min(max(x, plot.left + 46), plot.width - 52),
        y + (24 if rising else -14),
        told,
        "middle strong",
    )
    return [plot.mark(epoch, value, "challenger", told, radius=5), words]


def reliability(models: Models) -> Markup:
    """How often answers of a confidence are right.

    On the diagonal the two agree (Guo et al. 2017, section 2).

    A mark's area follows the share of the answers that it stands for.
    """
    plot = Plot(
        "Reliability diagram",
        440,
        400,
        Axis(0, 1, SHARE.ticks, "confidence of the answer"),
        SHARE,
        top=12,
    )
    shapes = [plot.curve([(0, 0), (1, 1)], "diagonal")]
    for who, scores in models:
        shapes.append(
            plot.curve([(held.confidence, held.accuracy) for held in scores.reliability], who)
        )
        total = sum(held.rows for held in scores.reliability) or 1
        for held in scores.reliability:
            tip = (
                f"{who}: {held.rows:,} answers, {held.confidence:.0%} sure in the mean,"
                f" {held.accuracy:.1%} of them right"
            )
            shapes.append(
                plot.mark(
                    held.confidence,
                    held.accuracy,
                    who,
                    tip,
                    radius=2 + 8 * math.sqrt(held.rows / total),
                )
            )
    return plot.drawn(*shapes)


def roc(label: str, models: Sequence[tuple[str, Curve]]) -> Markup:
    """Return the ROC curve of one class against the rest, small."""
    plot = _small(f"ROC curve of {label}")
    curves = [
        plot.curve(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True), who)
        for who, curve in models
    ]
    return plot.drawn(plot.curve([(0, 0), (1, 1)], "diagonal"), *curves)


def precision_recall(label: str, models: Sequence[tuple[str, Curve]], rows: int) -> Markup:
    """Return the precision-recall curve of one class against the rest, small.

    The dashed line answers this class always.
    """
    plot = _small(f"Precision and recall of {label}")
    curves = [
        plot.curve(zip(curve.recall, curve.precision, strict=True), who) for who, curve in models
    ]
    base = models[0][1].positives / rows if models and rows else 0.0
    return plot.drawn(plot.curve([(0, base), (1, base)], "diagonal"), *curves)


def _small(title: str) -> Plot:
    axis = Axis(0, 1, ((0, "0"), (0.5, ""), (1, "1")))
    return Plot(title, 160, 150, axis, axis, left=20, right=10, top=8, bottom=22)


@dataclass(frozen=True)
class Column:
    """One night of a trend.

    Attributes:
        challenger, champion: the challenger's score, and the champion's once the night was over;
            None where there is none.
        word: of the outcome. tip: what hovering tells.
    """

    day: str
    challenger: float | None
    champion: float | None
    word: str
    tip: str


def trend(columns: Sequence[Column], name: str) -> Markup:
    """Challengers as marks and the champion as a stair line, one column per night, oldest first."""
    scores = [
        score
        for column in columns
        for score in (column.challenger, column.champion)
        if score is not None
    ]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    margin = max(0.01, 0.15 * (high - low))
    low, high = max(0.0, low - margin), min(1.0, high + margin)
    every = max(1, math.ceil(len(columns) / 10))
    days = tuple(
        (float(at), column.day)
        for at, column in enumerate(columns)
        if (len(columns) - 1 - at) % every == 0
    )
    x, y = Axis(-0.5, len(columns) - 0.5, days), Axis(low, high, percent_ticks(low, high))
    plot = Plot(
        f"{name} of champion and challengers, night by night",
        _width(len(columns)),
        280,
        x,
        y,
        top=14,
        bottom=32,
        left=52,
    )
    champions = [
        (float(at), column.champion)
        for at, column in enumerate(columns)
        if column.champion is not None
    ]
    shapes = [plot.curve(_stairs(champions), "champion")]
    for at, column in enumerate(columns):
        if column.challenger is not None:
            shapes.append(
                plot.mark(at, column.challenger, f"outcome {column.word}", column.tip, radius=5.5)
            )
    return plot.drawn(*shapes)


def durations(seconds: Sequence[tuple[float, str]]) -> Markup:
    """Return a row of thin bars under a trend.

    How long each night took, with what hovering tells.
    """
    longest = max([value for value, _ in seconds] + [1e-9])
    width = _width(len(seconds))
    slot = (width - 62) / max(1, len(seconds))
    bars = [
        element(
            "rect",
            element("title", tip),
            x=52 + at * slot + (slot - min(26.0, 0.6 * slot)) / 2,
            y=4 + 44 * (1 - value / longest),
            width=min(26.0, 0.6 * slot),
            height=44 * value / longest,
            class_="fill training",
        )
        for at, (value, tip) in enumerate(seconds)
    ]
    return figure(width, 52, "Duration of each night", bars)


def _width(nights: int) -> int:
    """Return the width of the drawing: a few nights fit a phone's screen."""
    return 960 if nights > FEW_NIGHTS else 480


def _by_epoch(values: Sequence[float]) -> list[Point]:
    return [(float(epoch), value) for epoch, value in enumerate(values, start=1)]


def _stairs(points: Sequence[Point]) -> list[Point]:
    """Return a line that holds each value until the next night."""
    steps: list[Point] = []
    for index, (x, y) in enumerate(points):
        end = points[index + 1][0] - 0.5 if index + 1 < len(points) else x + 0.5
        steps += [(x - 0.5, y), (end, y)]
    return steps
