"""The charts that a night's evidence allows, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from markupsafe import Markup

from components.reporting.evidence import Night
from components.reporting.page.charts import bars, curves, matrix
from components.shared.findings import EvaluateFindings, Scores
from components.shared.findings.evaluation import Curve
from components.shared.preset import Preset

Drawn = dict[str, Markup]
P = ParamSpec("P")


def drawings(night: Night, preset: Preset | None) -> Drawn:
    """Charts by name; one that can't be drawn leaves a note in its place."""
    drawn: Drawn = {}
    if night.resample:
        drawn["balance"] = _try(
            bars.class_balance,
            preset.data.labels if preset else tuple(night.resample.before),
            night.resample.before,
            night.resample.after,
        )
    if night.train:
        for key in ("accuracy", "loss"):
            drawn[key] = _try(
                curves.learning_curve,
                key,
                night.train.history,
                night.train.best_epoch,
                night.train.stages,
            )
    return drawn | _evaluation(night.evaluate) if night.evaluate else drawn


def compared(found: EvaluateFindings) -> list[tuple[str, Scores]]:
    """Return the champion, if there is one, and the challenger, which is drawn over it."""
    both = [("champion", found.champion), ("challenger", found.challenger)]
    return [(who, scores) for who, scores in both if scores is not None]


def _evaluation(found: EvaluateFindings) -> Drawn:
    models = compared(found)
    drawn = {
        f"confusion_{who}": _try(matrix.confusion_matrix, who, found.labels, scores.confusion)
        for who, scores in models
    }
    if any(scores.reliability for _, scores in models):
        drawn["reliability"] = _try(curves.reliability, models)
    classes = [change for change in found.classes if change.champion is not None]
    slices = [change for change in found.slices if change.champion is not None]
    if classes:
        drawn["classes"] = _try(bars.differences, "Difference of recall per class", classes)
    if slices:
        drawn["slices"] = _try(bars.differences, "Difference of accuracy per slice", slices)
    for label in found.labels:
        held = [
            (who, curve) for who, scores in models if (curve := _curve(scores, label)) is not None
        ]
        if held:
            drawn[f"roc_{label}"] = _try(curves.roc, label, held)
            drawn[f"pr_{label}"] = _try(curves.precision_recall, label, held, found.challenger.rows)
    return drawn


def _curve(scores: Scores, label: str) -> Curve | None:
    return next((curve for curve in scores.curves if curve.label == label), None)


def _try(draw: Callable[P, Markup], *args: P.args, **kwargs: P.kwargs) -> Markup:
    """Return a chart, or a note in its place.

    Findings that contradict themselves mustn't cost the page.
    """
    try:
        return draw(*args, **kwargs)
    except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError) as error:
        return Markup('<p class="note">This figure could not be drawn: {}: {}</p>').format(
            type(error).__name__, error
        )
