"""The plots of a sweep, one PNG.

Scores in order, scores against each varied field, and every trial's curve.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from components.training.sweep.search_space import Range
from components.training.sweep.sweep import score_of

WIDTH_INCHES, HEIGHT_INCHES = 4.2, 3.4
WHOLE, PRUNED = "tab:blue", "lightgray"


def drawn(trials: Sequence[FrozenTrial], ranges: Sequence[Range]) -> bytes:
    """Return a PNG; pruned trials are gray."""
    figure = Figure(figsize=(WIDTH_INCHES * (2 + len(ranges)), HEIGHT_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    order, curves, *fields = figure.subplots(1, 2 + len(ranges))
    trials = sorted(trials, key=lambda trial: trial.number)
    scores, colours = (
        [score_of(trial) for trial in trials],
        [WHOLE if trial.state == TrialState.COMPLETE else PRUNED for trial in trials],
    )
    order.scatter(range(1, len(trials) + 1), scores, c=colours)
    order.plot(
        range(1, len(trials) + 1),
        [max(scores[: end + 1]) for end in range(len(scores))],
        color=WHOLE,
    )
    order.set(xlabel="trial", ylabel="held-out score", title="best so far")
    for trial, colour in zip(trials, colours, strict=True):
        curves.plot(
            *zip(*sorted(trial.intermediate_values.items()), strict=True), color=colour, marker="."
        )
    curves.set(xlabel="epoch", title="best score of each trial")
    for axes, each in zip(fields, ranges, strict=True):
        axes.scatter(
            [
                trial.params[each.name] if not each.choices else str(trial.params[each.name])
                for trial in trials
            ],
            scores,
            c=colours,
        )
        axes.set(xlabel=each.name)
        if each.logarithmic:
            axes.set_xscale("log")
    stream = io.BytesIO()
    figure.savefig(stream, dpi=110)
    return stream.getvalue()
