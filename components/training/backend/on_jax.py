"""Training steps on JAX.

See `components.training.backend.Backend` for what the functions promise.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

import jax
import keras

from components.training.fit.loss import Batch, Lesson, batch_of
from components.training.fit.weight_average import WeightAverage


def make_deterministic(seed: int) -> None:
    """See `Backend.make_deterministic`."""
    keras.utils.set_random_seed(seed)


def device_name() -> str:
    """See `Backend.device_name`."""
    device = jax.devices()[0]
    return (
        f"CPU, {len(os.sched_getaffinity(0))} cores"
        if device.platform == "cpu"
        else f"{device.platform.upper()}, {device.device_kind}"
    )


def dtype_policy(precision: Literal["float32", "mixed"]) -> str:
    """See `Backend.dtype_policy`."""
    return (
        "mixed_bfloat16" if precision == "mixed" and jax.default_backend() != "cpu" else "float32"
    )


@contextlib.contextmanager
def on_devices(devices: Literal["one", "all"]) -> Iterator[None]:
    """See `Backend.on_devices`."""
    if devices == "one" or jax.device_count() == 1:
        yield
        return
    with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
        yield


class Step:
    """A training step, one compiled function of all variables' values.

    Several devices take a share of the batch each.
    """

    def __init__(
        self, lesson: Lesson, optimizer: keras.optimizers.Optimizer, average: WeightAverage | None
    ) -> None:
        self._lesson, self._optimizer, self._average = lesson, optimizer, average
        self._trained = lesson.network.trainable_variables
        trained = {id(variable) for variable in self._trained}
        self._others = [variable for variable in lesson.variables if id(variable) not in trained]
        self._averaged = average.variables if average else []
        self._distribution = keras.distribution.distribution()
        self._compiled = jax.jit(self._step)

    def __call__(self, batch: Batch) -> tuple[Any, Any]:
        """See `Backend.Step`."""
        groups = (self._trained, self._others, self._optimizer.variables, self._averaged)
        values, losses, right = self._compiled(
            [[variable.value for variable in group] for group in groups], self._placed(batch)
        )
        for group, new in zip(groups, values, strict=True):
            for variable, value in zip(group, new, strict=True):
                variable._value = value  # as Keras's own JAX trainer does: assign would copy
        return losses, right

    def _placed(self, batch: Batch) -> tuple[Any, ...]:
        """Return the batch's parts.

        On several devices each has its share of rows, or all of them where rows don't divide.
        """
        parts = batch.parts()
        if self._distribution is None or len(batch.labels) % jax.device_count():
            return parts
        return tuple(
            keras.distribution.distribute_tensor(
                part, self._distribution.get_data_layout(part.shape)
            )
            for part in parts
        )

    def _step(
        self, values: list[list[Any]], parts: tuple[Any, ...]
    ) -> tuple[list[list[Any]], Any, Any]:
        trained, others, optimizer, averaged = values

        def loss_of(trained: list[Any]) -> tuple[Any, Any]:
            mapping = [
                *zip(self._trained, trained, strict=True),
                *zip(self._others, others, strict=True),
            ]
            with keras.StatelessScope(
                [*mapping, *zip(self._optimizer.variables, optimizer, strict=True)]
            ) as scope:
                total, losses, right = self._lesson.losses(batch_of(parts))
                scaled = self._optimizer.scale_loss(total)
            return scaled, (
                losses,
                right,
                [scope.get_current_value(variable) for variable in self._others],
            )

        (_, (losses, right, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trained)
        trained, optimizer = self._optimizer.stateless_apply(optimizer, gradients, trained)
        if self._average is not None:
            mapping = [
                *zip(self._trained, trained, strict=True),
                *zip(self._others, others, strict=True),
            ]
            with keras.StatelessScope(
                [*mapping, *zip(self._averaged, averaged, strict=True)]
            ) as scope:
                self._average.update()
            averaged = [scope.get_current_value(variable) for variable in self._averaged]
        return [trained, others, optimizer, averaged], losses, right


def scorer(lesson: Lesson) -> Any:
    """See `Backend.scorer`."""
    variables = lesson.variables

    @jax.jit
    def score(values: list[Any], pixels: Any) -> Any:
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return lesson.logits(pixels)

    return lambda pixels: keras.ops.convert_to_numpy(
        score([variable.value for variable in variables], pixels)
    )
