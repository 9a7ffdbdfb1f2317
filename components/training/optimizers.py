"""Optimizers and learning-rate schedules of a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from components.contracts.errors import UnknownNameError
from components.contracts.preset import Stage

Rate = Any  # a float, or a schedule of Keras
LAST_SHARE = 0.01
MOMENTUM = 0.9


def constant(rate: float, steps: int) -> Rate:
    """The same rate for all steps."""
    return rate


def cosine(rate: float, steps: int) -> Rate:
    """Half a cosine from ``rate`` to 1 % of it, step by step (Loshchilov and Hutter 2017, without restarts)."""
    return keras.optimizers.schedules.CosineDecay(rate, steps, alpha=LAST_SHARE)


def adam(rate: Rate) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(rate)


def sgd(rate: Rate) -> keras.optimizers.Optimizer:
    """With Nesterov momentum 0.9."""
    return keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True)


SCHEDULES: dict[str, Callable[[float, int], Rate]] = {"constant": constant, "cosine": cosine}
OPTIMIZERS: dict[str, Callable[[Rate], keras.optimizers.Optimizer]] = {"adam": adam, "sgd": sgd}


def optimizer_of(stage: Stage, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """A fresh optimizer for a stage. Raises UnknownNameError for a name that isn't registered."""
    for kind, name, known in (("optimizer", stage.optimizer, OPTIMIZERS), ("schedule", stage.schedule, SCHEDULES)):
        if name not in known:
            raise UnknownNameError(kind, name, known)  # type: ignore[arg-type]
    return OPTIMIZERS[stage.optimizer](SCHEDULES[stage.schedule](float(stage.learning_rate), stage.epochs * steps_per_epoch))
