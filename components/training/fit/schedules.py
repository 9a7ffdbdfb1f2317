"""Learning rates, step by step.

Pure functions, so that a resumed training continues its schedule exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.shared.preset import Stage

LAST_SHARE = 0.01
PLATEAU_PATIENCE, PLATEAU_FACTOR = 2, 0.2


def learning_rate(
    stage: Stage, step: int, steps_per_epoch: int, scores: Sequence[float] = ()
) -> float:
    """Of the stage's step number ``step``, counted from 0.

    Args:
        scores: held-out scores of the stage's finished epochs, higher is better; the plateau
            schedule follows them.
    """
    warmup = round(stage.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return stage.learning_rate * (step + 1) / warmup
    if stage.schedule == "cosine":
        # Loshchilov and Hutter 2017, equation 5, without restarts.
        done = (step - warmup) / (stage.epochs * steps_per_epoch - warmup)
        return stage.learning_rate * (
            LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
        )
    if stage.schedule == "plateau":
        return stage.learning_rate * PLATEAU_FACTOR ** plateaus(scores)
    return stage.learning_rate


def plateaus(scores: Sequence[float]) -> int:
    """How often two epochs in a row brought no better score than all before."""
    found, waited, best = 0, 0, -math.inf
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited == PLATEAU_PATIENCE:
            found, waited = found + 1, 0
    return found
