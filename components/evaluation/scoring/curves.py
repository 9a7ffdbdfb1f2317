"""ROC and precision-recall curves of each label against the rest, thinned for drawing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from components.evaluation.scoring.sums import Floats, Labels
from components.shared.findings import Curve

POINTS = 60


def curves(names: Sequence[str], labels: Labels, probabilities: Floats) -> tuple[Curve, ...]:
    """One curve per label that has both positives and negatives.

    Areas are those of the full curves.

    Args:
        labels: int ``[n]``, true. probabilities: ``[n, labels]``.
    """
    found = []
    for index, name in enumerate(names):
        positive = labels == index
        if positive.any() and not positive.all():
            wrongly, rightly, _ = roc_curve(positive, probabilities[:, index])
            precision, recall, _ = precision_recall_curve(positive, probabilities[:, index])
            average = float(average_precision_score(positive, probabilities[:, index]))
            area = float(auc(wrongly, rightly))
            found.append(
                Curve(
                    name,
                    int(positive.sum()),
                    area,
                    average,
                    *_thinned(wrongly, rightly),
                    *_thinned(recall, precision),
                )
            )
    return tuple(found)


def _thinned(x: Floats, y: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """At most `POINTS` points, spread evenly along the curve's length, its ends among them."""
    if len(x) > POINTS:
        way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], POINTS)).clip(0, len(x) - 1))
        kept[0], kept[-1] = 0, len(x) - 1
        x, y = x[kept], y[kept]
    return tuple(round(float(value), 4) for value in x), tuple(
        round(float(value), 4) for value in y
    )
