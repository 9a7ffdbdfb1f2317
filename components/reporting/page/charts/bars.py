"""Bars of counts, and intervals of differences: one row per name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from components.reporting.page.charts.svg import (
    Axis,
    Plot,
    element,
    figure,
    line,
    mark,
    percent_ticks,
    text,
)
from components.shared.findings.evaluation import Change

NAMES, ROW = 84.0, 30.0


def class_balance(
    labels: Sequence[str], before: Mapping[str, int], after: Mapping[str, int]
) -> Markup:
    """Training rows per class, and draws per epoch after resampling."""
    longest = max([*before.values(), *after.values(), 1])
    scale = (440 - NAMES - 56) / longest
    shapes: list[Markup] = []
    for index, label in enumerate(labels):
        top = 4 + 40.0 * index
        shapes.append(text(NAMES - 10, top + 19, label, "end name"))
        for offset, counts, tone in ((0.0, before, "training"), (15.0, after, "challenger")):
            value = counts.get(label, 0)
            shapes.append(
                element(
                    "rect",
                    x=NAMES,
                    y=top + offset,
                    width=value * scale,
                    height=13.0,
                    class_=f"fill {tone}",
                )
            )
            shapes.append(text(NAMES + value * scale + 6, top + offset + 11, f"{value:,}", "small"))
    return figure(440, 40 * len(labels) + 4, "Class balance before and after resampling", shapes)


def differences(title: str, changes: Sequence[Change]) -> Markup:
    """Challenger minus champion with its interval, one row per class or slice.

    Right of the line the challenger does better.
    """
    names = min(220.0, 7 * max(len(in_words(change)) for change in changes) + 14)
    ends = [abs(end) for change in changes for end in (change.difference, *change.interval)]
    reach = max(0.02, *ends) * 1.06
    at_x = Axis(
        -reach,
        reach,
        tuple((value, points(value)) for value, _ in percent_ticks(-reach, reach, 5)),
        "points",
    )
    height = ROW * len(changes) + 46
    plot = Plot(title, 440, height, at_x, Axis(0, 1), left=names, right=12, top=2, bottom=42)
    bottom = height - plot.bottom
    shapes = [
        line(
            (plot.at(value, 0)[0], plot.top),
            (plot.at(value, 0)[0], bottom),
            "zero" if value == 0 else "grid",
        )
        for value, _ in at_x.ticks
    ]
    for index, change in enumerate(changes):
        y = plot.top + ROW * (index + 0.5)
        low, high = (
            change.interval if len(change.interval) == 2 else (change.difference, change.difference)
        )
        side = tone(change)
        shapes += [
            text(names - 10, y + 4, in_words(change), "end name"),
            line((plot.at(low, 0)[0], y), (plot.at(high, 0)[0], y), f"interval {side}"),
            mark(
                plot.at(change.difference, 0)[0], y, f"difference {side}", _told(change), radius=4.5
            ),
        ]
    return plot.drawn(*shapes)


def in_words(change: Change) -> str:
    """Return the class, or the slice with its column."""
    return change.name if change.kind == "class" else f"{change.kind} {change.name}"


def tone(change: Change) -> str:
    """Return gain or loss where the whole interval lies on one side of zero, else level."""
    if len(change.interval) != 2:
        return "level"
    return "gain" if change.interval[0] > 0 else "loss" if change.interval[1] < 0 else "level"


def points(share: float) -> str:
    """Percentage points, signed, as short as they go."""
    rounded = round(100 * share, 1)
    return "0" if rounded == 0 else f"{rounded:+g}".replace("-", "−")


def _told(change: Change) -> str:
    between = (
        f", 95% interval {points(change.interval[0])} to {points(change.interval[1])}"
        if len(change.interval) == 2
        else ""
    )
    return f"{in_words(change)}: {points(change.difference)} points{between}, {change.rows:,} rows"
