"""All that speaks to a backend of Keras directly.

The rest of training is NumPy and Keras's own operations.

    on_tensorflow, on_jax    the compiled training step, devices and precision, one module per backend
    files                    SavedModel, LiteRT and TensorBoard files: TensorFlow's alone

The names below are those of the backend that Keras runs on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import keras
import numpy as np
import numpy.typing as npt

from components.training.fit.loss import Batch, Lesson
from components.training.fit.weight_average import WeightAverage

Scorer = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


class Step(Protocol):
    """A compiled training step of a lesson with one optimizer."""

    def __call__(self, batch: Batch) -> tuple[Any, Any]:
        """Take one step.

        The sum of the rows' losses and how many were answered right, as scalars that may still be
        computed.
        """


class Backend(Protocol):
    """What each backend's module offers."""

    def make_deterministic(self, seed: int) -> None:
        """Seed weights and dropout; on a CPU equal runs then end with equal weights."""

    def device_name(self) -> str:
        """Return what trains, for people."""

    def dtype_policy(self, precision: Literal["float32", "mixed"]) -> str:
        """Name of Keras's policy.

        That of the device's 16 bits where it has them and ``mixed`` is asked, else float32.
        """

    def on_devices(self, devices: Literal["one", "all"]) -> AbstractContextManager[None]:
        """Within it, variables live on these devices and `Step` shares each batch among them."""

    def Step(  # noqa: N802
        self, lesson: Lesson, optimizer: keras.optimizers.Optimizer, average: WeightAverage | None
    ) -> Step:
        """Make the compiled training step of a network."""

    def scorer(self, lesson: Lesson) -> Scorer:
        """Return a compiled function from uint8 ``[n, h, w, c]`` to float32 logits ``[n, labels]``."""


_MODULES = {"tensorflow": "on_tensorflow", "jax": "on_jax"}


def name() -> str:
    """Keras's backend: tensorflow or jax."""
    return str(keras.backend.backend())


def current() -> Backend:
    """Return the module of the backend that Keras runs on."""
    module: Any = importlib.import_module(f"{__name__}.{_MODULES[name()]}")
    return module
