"""A network in training: the one object that the loop moves. Keras alone.

The compiled step comes from the backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from components.shared.preset import Stage, TrainingPolicy
from components.training import backend, models
from components.training.data.images import PixelRows
from components.training.fit.loss import Batch, Floats, Lesson
from components.training.fit.optimizers import optimizer_of
from components.training.fit.weight_average import WeightAverage

Arrays = list[npt.NDArray[np.generic]]
SCORED_AT_ONCE = 256


class Trainer:
    """A network, its optimizer and the compiled step that joins them.

    Args:
        network: from rescaled pixels to logits, see `components.training.models`.
        log_frequencies: float32 ``[labels]`` of the training rows, for logit adjustment.
    """

    def __init__(
        self, network: keras.Model, policy: TrainingPolicy, log_frequencies: Floats
    ) -> None:
        self.network = network
        self._policy = policy
        self._lesson = Lesson(network, policy, log_frequencies)
        self._score = backend.current().scorer(self._lesson)
        self._optimizer: keras.optimizers.Optimizer | None = None
        self._average: WeightAverage | None = None
        self._step: backend.Step | None = None

    def begin(self, stage: Stage) -> None:
        """Train as this stage says from now on.

        The optimizer's state starts empty, an average of weights from the present ones.
        """
        models.freeze(self.network, stage.frozen, norms=self._policy.pretrained is not None)
        optimizer = optimizer_of(stage, self.network.trainable_variables)
        if self.network.dtype_policy.compute_dtype == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(self.network.trainable_variables)
        self._optimizer = optimizer
        self._average = (
            WeightAverage(self.network, self._policy.average_weights)
            if self._policy.average_weights
            else None
        )
        self._step = backend.current().Step(self._lesson, optimizer, self._average)

    def step(self, batch: Batch, learning_rate: float) -> tuple[Any, Any]:
        """One optimizer step.

        The sum of the weighted losses and how many rows were right, perhaps still being computed.
        """
        if self._step is None or self._optimizer is None:
            raise RuntimeError("begin a stage before its first step")
        self._optimizer.learning_rate = learning_rate
        return self._step(batch)

    def logits(self, pixels: PixelRows) -> Floats:
        """Logits of the weights that are kept, as when serving.

        float32 ``[n, labels]`` of uint8 ``[n, h, w, c]``.
        """
        with self._kept_weights():
            starts = range(0, len(pixels), SCORED_AT_ONCE)
            return np.concatenate(
                [self._score(pixels[start : start + SCORED_AT_ONCE]) for start in starts]
            )

    def weights(self) -> Arrays:
        """Return the weights that are kept, moving statistics included; copies."""
        with self._kept_weights():
            return [np.array(value) for value in self.network.get_weights()]

    def load_weights(self, weights: Arrays) -> None:
        """Start again from these weights; an average of weights does too."""
        self.network.set_weights(weights)
        if self._average is not None:
            self._average.restart()

    def state(self) -> tuple[Arrays, Arrays]:
        """All variables of the network (weights, and where its random numbers stand) and of its optimizer; copies."""
        return _copies(self._lesson.variables), _copies(self._learning())

    def load_network(self, values: Arrays) -> None:
        """Put back the first part of `state`. Raises ValueError where count or shapes differ."""
        _assign(self._lesson.variables, values)

    def load_optimizer(self, values: Arrays) -> None:
        """Put back the second part of `state`. Raises ValueError as `load_network` does."""
        _assign(self._learning(), values)

    def _learning(self) -> list[keras.Variable]:
        optimizer = self._optimizer.variables if self._optimizer else []
        return [*optimizer, *(self._average.variables if self._average else [])]

    @contextmanager
    def _kept_weights(self) -> Iterator[None]:
        """Put the averaged weights into the network, where there are any, and afterwards those in training again."""
        if self._average is None:
            yield
            return
        in_training = self.network.get_weights()
        self.network.set_weights(_copies(self._average.weights))
        try:
            yield
        finally:
            self.network.set_weights(in_training)


def _copies(variables: Sequence[keras.Variable]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
