"""What one training step computes before its gradient, in Keras's own operations.

The same on every backend.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from components.shared.preset import Augmentation, TrainingPolicy
from components.training.data.augmentation import Changes, Tensor, changed, mixed, together
from components.training.models import rescaling

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes:
        pixels: uint8 ``[n, h, w, c]``. targets: float32 ``[n, labels]``, see
            `components.training.data.targets`.
        labels: int32 ``[n]``. changes: of these rows.
    """

    pixels: npt.NDArray[np.uint8]
    targets: Floats
    labels: npt.NDArray[np.int32]
    changes: Changes

    def parts(self) -> tuple[npt.NDArray[np.generic], ...]:
        """All arrays, in the order that `batch_of` takes."""
        return (self.pixels, self.targets, self.labels, *self.changes.parts())


def batch_of(parts: tuple[Tensor, ...]) -> Batch:
    """Return the batch of these arrays or tensors, see `Batch.parts`."""
    pixels, targets, labels, *changes = parts
    return Batch(pixels, targets, labels, Changes(*changes))


class Lesson:
    """A network and how it is taught.

    Args:
        network: from rescaled pixels to logits, see `components.training.models`.
        log_frequencies: float32 ``[labels]`` of the training rows, for logit adjustment.
    """

    def __init__(
        self, network: keras.Model, policy: TrainingPolicy, log_frequencies: Floats
    ) -> None:
        self.network = network
        self.noise = keras.random.SeedGenerator(policy.seed)
        self._rescaling = rescaling()
        self._augmentation: Augmentation = together(
            policy.augmentation, policy.synthetic or policy.augmentation
        )
        self._focal_gamma = policy.focal_gamma
        self._adjustment = (policy.logit_adjustment * log_frequencies).astype(np.float32)

    @property
    def variables(self) -> list[keras.Variable]:
        """All that a step may change, the random numbers' state included."""
        return [*self.network.variables, self.noise.state]

    def logits(self, pixels: Tensor) -> Tensor:
        """As when serving: float32 ``[n, labels]`` of uint8 pixels."""
        return ops.cast(self.network(self._rescaling(pixels), training=False), "float32")

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the optimizer lowers, the sum of the rows' losses, and how many rows were answered right."""
        images = changed(
            ops.cast(batch.pixels, "float32"), batch.changes, self._augmentation, self.noise
        )
        targets = (
            mixed(batch.targets, ops.expand_dims(batch.changes.mix, 1))
            if self._augmentation.mixup
            else batch.targets
        )
        logits = ops.cast(self.network(self._rescaling(images), training=True), "float32")
        rows = cross_entropy(targets, logits + self._adjustment, self._focal_gamma)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(batch.labels, "int32"))
        total = ops.mean(rows)
        for penalty in self.network.losses:
            total = total + ops.cast(penalty, "float32")
        return total, ops.sum(rows), ops.sum(ops.cast(right, "int32"))


def cross_entropy(targets: Tensor, logits: Tensor, focal_gamma: float = 0.0) -> Tensor:
    """Cross-entropy of each row, float32 ``[n]``.

    With ``focal_gamma`` the focal loss (Lin et al. 2017, equation 4).

    Args:
        targets: float32 ``[n, labels]``, need not sum to 1. logits: float32 ``[n, labels]``.
    """
    log_probabilities = ops.log_softmax(logits, axis=-1)
    terms = targets * log_probabilities
    if focal_gamma:
        terms = terms * ops.power(1 - ops.exp(log_probabilities), focal_gamma)
    return -ops.sum(terms, axis=-1)
