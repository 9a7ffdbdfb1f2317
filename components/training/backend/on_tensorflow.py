"""Training steps on TensorFlow.

See `components.training.backend.Backend` for what the functions promise.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.training.fit.loss import Batch, Lesson, batch_of
from components.training.fit.weight_average import WeightAverage

# Compute capabilities (NVIDIA): bfloat16 from Ampere on, float16 on tensor cores from Volta on.
BFLOAT16_FROM, FLOAT16_FROM = (8, 0), (7, 0)
CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


def make_deterministic(seed: int) -> None:
    """See `Backend.make_deterministic`."""
    keras.utils.set_random_seed(seed)
    if not tf.config.list_physical_devices(
        "GPU"
    ):  # there it would cost speed, and some operations have no such kernel
        tf.config.experimental.enable_op_determinism()


def device_name() -> str:
    """See `Backend.device_name`."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [
        str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
        for gpu in gpus
    ]
    return f"GPU, {', '.join(names)}" if names else f"CPU, {len(os.sched_getaffinity(0))} cores"


def dtype_policy(precision: Literal["float32", "mixed"]) -> str:
    """See `Backend.dtype_policy`."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "mixed_bfloat16" if precision == "mixed" and _cpu_has_bfloat16() else "float32"
    able = min(
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in gpus
    )
    if precision == "float32" or able < FLOAT16_FROM:
        return "float32"
    return "mixed_bfloat16" if able >= BFLOAT16_FROM else "mixed_float16"


@contextlib.contextmanager
def on_devices(devices: Literal["one", "all"]) -> Iterator[None]:
    """See `Backend.on_devices`."""
    found = [
        device.name
        for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    ]
    strategy = (
        tf.distribute.MirroredStrategy(found)
        if devices == "all" and len(found) > 1
        else tf.distribute.get_strategy()
    )
    with strategy.scope():
        yield


class Step:
    """A training step, a graph of its own.

    Under a strategy every device takes a share of the batch.
    """

    def __init__(
        self, lesson: Lesson, optimizer: keras.optimizers.Optimizer, average: WeightAverage | None
    ) -> None:
        self._lesson, self._optimizer, self._average = lesson, optimizer, average
        self._variables = lesson.network.trainable_variables
        self._strategy = tf.distribute.get_strategy()
        self._compiled = tf.function(self._step, autograph=False, reduce_retracing=True)

    def __call__(self, batch: Batch) -> tuple[Any, Any]:
        """See `Backend.Step`."""
        replicas = self._strategy.num_replicas_in_sync
        edges = np.linspace(0, len(batch.labels), replicas + 1).astype(int)
        shares = (np.diff(edges) / len(batch.labels)).astype(np.float32)
        if replicas == 1:
            return self._compiled(shares[0], *map(tf.constant, batch.parts()))
        per_replica = self._strategy.experimental_distribute_values_from_function
        rows = [per_replica(lambda at, part=part: _rows(part, edges, at)) for part in batch.parts()]
        return self._compiled(
            per_replica(lambda at: tf.constant(shares[at.replica_id_in_sync_group])), *rows
        )

    def _step(self, share: tf.Tensor, *parts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        losses, right = self._strategy.run(self._learn, args=(share, *parts))
        if self._average is not None:
            self._average.update()
        return tuple(
            self._strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for value in (losses, right)
        )  # type: ignore[return-value]

    def _learn(self, share: tf.Tensor, *parts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            total, losses, right = self._lesson.losses(batch_of(parts))
            scaled = self._optimizer.scale_loss(total * share)  # the devices' gradients are added
        self._optimizer.apply(tape.gradient(scaled, self._variables), self._variables)
        return losses, right


def scorer(lesson: Lesson) -> Any:
    """See `Backend.scorer`."""
    compiled = tf.function(lesson.logits, autograph=False, reduce_retracing=True)
    return lambda pixels: compiled(tf.constant(pixels)).numpy()


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies 16-bit numbers itself; others emulate it, slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return not CPU_FLAGS.isdisjoint(flags)


def _rows(part: npt.NDArray[np.generic], edges: npt.NDArray[np.integer], at: Any) -> tf.Tensor:
    index = at.replica_id_in_sync_group
    return tf.constant(part[edges[index] : edges[index + 1]])
