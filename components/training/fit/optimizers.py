"""Optimizers of a stage."""

from __future__ import annotations

from collections.abc import Callable

import keras

from components.shared.errors import UnknownNameError
from components.shared.preset import Stage

MOMENTUM = 0.9

# Adam: Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019. SGD has Nesterov momentum (Sutskever
# et al. 2013).
OPTIMIZERS: dict[str, Callable[[float, float | None], keras.optimizers.Optimizer]] = {
    "adam": lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay),
    "adamw": lambda rate, decay: keras.optimizers.AdamW(rate, weight_decay=decay or 0.0),
    "sgd": lambda rate, decay: keras.optimizers.SGD(
        rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay
    ),
}


def optimizer_of(stage: Stage, variables: list[keras.Variable]) -> keras.optimizers.Optimizer:
    """Return a fresh optimizer of these variables.

    Weight decay leaves biases and norms alone: it is for matrices and kernels.

    Raises:
        UnknownNameError: its name isn't registered.
    """
    if stage.optimizer not in OPTIMIZERS:
        raise UnknownNameError("optimizer", stage.optimizer, OPTIMIZERS)
    optimizer = OPTIMIZERS[stage.optimizer](float(stage.learning_rate), stage.weight_decay or None)
    if stage.weight_decay:
        optimizer.exclude_from_weight_decay(
            var_list=[variable for variable in variables if len(variable.shape) < 2]
        )
    optimizer.build(variables)
    return optimizer
