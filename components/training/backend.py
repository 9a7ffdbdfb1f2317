"""All that speaks to TensorFlow directly; the rest of training is NumPy and Keras.

Another backend, several devices or mixed precision would be a change of this file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.contracts.preset import Augmentation, ImageSpec
from components.training.augmentation import FULL_RANGE, Changes, moves, recolours
from components.training.models import rescaling
from components.training.noise import hushed

Floats = npt.NDArray[np.float32]
Arrays = list[npt.NDArray[np.generic]]


def make_deterministic(seed: int) -> None:
    """Seed weights and dropout, and choose TensorFlow's deterministic kernels: on a CPU equal runs end with equal weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def device_name() -> str:
    """What trains, for people."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in gpus]
    return f"GPU, {names[0]}" if names else f"CPU, {len(os.sched_getaffinity(0))} cores"


def augmented(pixels: tf.Tensor, changes: Changes, augmentation: Augmentation) -> tf.Tensor:
    """Changed images, float32 ``[n, h, w, c]`` from 0 to 255. What leaves the frame is filled with the nearest edge.

    Args:
        pixels: float32 ``[n, h, w, c]`` from 0 to 255. changes: of these n images.
    """
    if moves(augmentation):
        pixels = tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=changes.transforms,
            output_shape=tf.shape(pixels)[1:3],
            interpolation="BILINEAR",
            fill_mode="NEAREST",
            fill_value=0.0,
        )
    if recolours(augmentation):
        mean = tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
        factor, added = (tf.reshape(value, (-1, 1, 1, 1)) for value in (changes.contrast, changes.brightness))
        pixels = tf.clip_by_value((pixels - mean) * factor + mean + added, 0.0, FULL_RANGE)
    return pixels


class Trainer:
    """A network, its optimizer and the compiled step that joins them.

    Args:
        network: from rescaled pixels to logits, see `components.training.models`.
        label_smoothing: share of the target spread over all labels.
    """

    def __init__(self, network: keras.Model, image: ImageSpec, augmentation: Augmentation, label_smoothing: float = 0.0) -> None:
        self.network = network
        self._rescaling = rescaling()
        self._augmentation = augmentation
        self._loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing, reduction="none")
        self._pixels = tf.TensorSpec((None, image.height, image.width, image.channels), tf.uint8)
        self._logits = tf.function(self._score, input_signature=[self._pixels], autograph=False)
        self._optimizer: keras.optimizers.Optimizer | None = None

    def use(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Train with this optimizer from now on; its state starts empty."""
        optimizer.build(self.network.trainable_variables)
        row = tf.TensorSpec((None,), tf.float32)
        signature = [self._pixels, tf.TensorSpec((None,), tf.int32), row, tf.TensorSpec((None, 8), tf.float32), row, row]
        self._optimizer = optimizer
        self._step = tf.function(self._update, input_signature=signature, autograph=False)

    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self._optimizer.learning_rate) if self._optimizer else 0.0

    def step(self, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32], weights: Floats, changes: Changes) -> tuple[float, int]:
        """One optimizer step on a batch: the sum of its weighted losses, and how many rows were answered right."""
        loss, right = self._step(pixels, labels, weights, changes.transforms, changes.contrast, changes.brightness)
        return float(loss), int(right)

    def logits(self, pixels: npt.NDArray[np.uint8], batch_size: int = 256) -> Floats:
        """Logits as when serving, float32 ``[n, labels]``."""
        parts = [self._logits(pixels[start : start + batch_size]).numpy() for start in range(0, len(pixels), batch_size)]
        return np.concatenate(parts)

    def weights(self) -> Arrays:
        """What the network has learned, moving statistics included; copies."""
        return [np.array(value) for value in self.network.get_weights()]

    def load_weights(self, weights: Arrays) -> None:
        self.network.set_weights(weights)

    def state(self) -> tuple[Arrays, Arrays]:
        """All variables of the network (weights and the counters of its random numbers) and of the optimizer; copies."""
        optimizer = self._optimizer.variables if self._optimizer else []
        return _copies(self.network.variables), _copies(optimizer)

    def load_network(self, values: Arrays) -> None:
        """Put back the first part of `state`. Raises ValueError where count or shapes differ."""
        for variable, value in zip(self.network.variables, values, strict=True):
            variable.assign(value)

    def load_optimizer(self, values: Arrays) -> None:
        """Put back the second part of `state`. Raises ValueError as `load_network` does."""
        for variable, value in zip(self._optimizer.variables if self._optimizer else [], values, strict=True):
            variable.assign(value)

    def _score(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.network(self._rescaling(pixels), training=False)

    def _update(
        self, pixels: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, transforms: tf.Tensor, contrast: tf.Tensor, brightness: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = augmented(tf.cast(pixels, tf.float32), Changes(transforms, contrast, brightness), self._augmentation)
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.network(self._rescaling(images), training=True)
            losses = weights * self._loss(tf.one_hot(labels, logits.shape[-1]), logits)
            loss = tf.reduce_mean(losses) + tf.add_n(self.network.losses or [0.0])
        self._optimizer.apply(tape.gradient(loss, variables), variables)  # type: ignore[union-attr]
        right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.int32))


def _copies(variables: Sequence[keras.Variable]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def write_saved_model(served: keras.Model, folder: Path) -> None:
    """Write a network as a SavedModel whose default signature takes ``pixels`` and gives ``probabilities``.

    Keras's own export visits variables in the order of their addresses, so equal models would become
    different files; here they are listed in the order of the layers.
    """
    (pixels,) = served.inputs
    signature = [tf.TensorSpec(pixels.shape, pixels.dtype, name="pixels")]
    module = tf.Module()
    module.weights = [variable.value for variable in served.variables]
    module.answer = tf.function(
        lambda pixels: {"probabilities": served(pixels, training=False)}, input_signature=signature, autograph=False
    )
    with hushed():
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer.get_concrete_function()})
    # Holds nothing but hashes and a random id, which would make equal models differ.
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def convert_to_lite(saved_model: Path) -> bytes:
    """A SavedModel as a float32 LiteRT file; its batch dimension stays free."""
    with hushed():
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()
    return content


def run_lite(content: bytes, pixels: npt.NDArray[np.uint8]) -> Floats:
    """What a LiteRT file answers to uint8 ``[n, h, w, c]``: float32 ``[n, labels]``."""
    with hushed(), warnings.catch_warnings():
        # TensorFlow's own interpreter announces its removal; it is the one that comes with the converter.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated", category=UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
    answer: Floats = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return answer


def run_saved_model(folder: Path, pixels: npt.NDArray[np.uint8]) -> Floats:
    """What a SavedModel's default signature answers."""
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (answer,) = signature(tf.constant(pixels)).values()
    values: Floats = answer.numpy()
    return values
