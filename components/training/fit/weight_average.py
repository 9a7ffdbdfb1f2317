"""A moving average of a network's weights.

Flatter, and often better, than the weights themselves.
"""

from __future__ import annotations

import keras
from keras import ops


class WeightAverage:
    """Average over the last steps of all weights, batch norm's moving statistics included (Polyak and Juditsky 1992).

    Args:
        momentum: of the average; in the first steps a smaller one holds, ``(1 + steps) / (10 +
            steps)``, so that the start is forgotten.
    """

    def __init__(self, network: keras.Model, momentum: float) -> None:
        self._weights = network.weights
        self._momentum = momentum
        self._steps = keras.Variable(0, dtype="int32", trainable=False, name="steps")
        self._averages = [
            keras.Variable(
                ops.convert_to_numpy(weight),
                dtype="float32",
                trainable=False,
                name=f"average_{index}",
            )
            for index, weight in enumerate(self._weights)
        ]

    @property
    def variables(self) -> list[keras.Variable]:
        """All of its state."""
        return [self._steps, *self._averages]

    @property
    def weights(self) -> list[keras.Variable]:
        """The averages, in the order of the network's weights."""
        return self._averages

    def restart(self) -> None:
        """Start anew from the network's present weights."""
        self._steps.assign(0)
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign(ops.cast(weight, "float32"))

    def update(self) -> None:
        """Take the network's present weights in."""
        steps = ops.cast(self._steps, "float32")
        momentum = ops.minimum(self._momentum, (1 + steps) / (10 + steps))
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign(average * momentum + ops.cast(weight, "float32") * (1 - momentum))
        self._steps.assign(self._steps + 1)
