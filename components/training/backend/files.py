"""Files in TensorFlow's formats: SavedModel, LiteRT, TensorBoard.

Needs Keras to run on TensorFlow.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import Summary
from tensorflow.core.util import event_pb2

from components.training.native_logs import hushed

Floats = npt.NDArray[np.float32]


def write_saved_model(served: keras.Model, folder: Path) -> None:
    """Write a network as a SavedModel whose default signature takes ``pixels`` and gives ``probabilities``.

    Keras's own export visits variables in the order of their addresses, so equal models would
    become different files; here they are listed in the order of the layers.
    """
    (pixels,) = served.inputs
    signature = [tf.TensorSpec(pixels.shape, pixels.dtype, name="pixels")]
    module = tf.Module()
    module.weights = [variable.value for variable in served.variables]
    module.answer = tf.function(
        lambda pixels: {"probabilities": served(pixels, training=False)},
        input_signature=signature,
        autograph=False,
    )
    with hushed():
        tf.saved_model.save(
            module,
            str(folder),
            signatures={"serving_default": module.answer.get_concrete_function()},
        )
    # Holds nothing but hashes and a random id, which would make equal models differ.
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def convert_to_lite(saved_model: Path) -> bytes:
    """Return a SavedModel as a float32 LiteRT file; its batch dimension stays free."""
    with hushed():
        content: bytes = tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()
    return content


def run_lite(content: bytes, pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return what a LiteRT file answers to uint8 ``[n, h, w, c]``: float32 ``[n, labels]``."""
    with hushed(), warnings.catch_warnings():
        # TensorFlow's own interpreter announces its removal; it is the one that comes with the
        # converter.
        warnings.filterwarnings(
            "ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated", category=UserWarning
        )
        interpreter = tf.lite.Interpreter(model_content=content)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
    answer: Floats = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return answer


def run_saved_model(folder: Path, pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return what a SavedModel's default signature answers."""
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (answer,) = signature(tf.constant(pixels)).values()
    values: Floats = answer.numpy()
    return values


def tensorboard_events(history: Mapping[str, Sequence[float]]) -> bytes:
    """Return an event file that draws a history as TensorBoard scalars, one step per epoch."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events"
        with tf.io.TFRecordWriter(str(file)) as writer:
            writer.write(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
            for epoch, values in enumerate(zip(*history.values(), strict=True), 1):
                scalars = [
                    Summary.Value(tag=name, simple_value=value)
                    for name, value in zip(history, values, strict=True)
                ]
                writer.write(
                    event_pb2.Event(step=epoch, summary=Summary(value=scalars)).SerializeToString()
                )
        return file.read_bytes()
