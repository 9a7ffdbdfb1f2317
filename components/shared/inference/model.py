"""A served model: LiteRT on uint8 pixels, verified before its first use.

Why LiteRT, and when several images at once: see the figures in `benchmarks/serving.py`.
"""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from components.shared.artifacts.contract import ModelManifest, verified_model
from components.shared.errors import ContractError, InputError
from components.shared.text import shortened

Probabilities = npt.NDArray[np.float32]


class ServedModel:
    """The served file of a model artifact.

    Several threads take turns: the runtime keeps one set of buffers.

    Args:
        folder: the model artifact. threads: of the runtime.

    Raises:
        ContractError: a checksum differs, the runtime can't load the file, or its input or output
            isn't what the manifest says.
    """

    _batch: int
    _turn: threading.Lock

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.manifest: ModelManifest = verified_model(folder)
        self._path = folder / self.manifest.served_file
        self._open(threads)
        self._check()

    def twin(self, threads: int) -> ServedModel:
        """Return the same verified model with buffers and threads of its own, so that both can run at the same time."""
        other = copy.copy(self)
        other._open(threads)
        return other

    def predict(self, pixels: npt.NDArray[np.uint8]) -> Probabilities:
        """Calibrated probabilities, float32 ``[n, labels]``, of uint8 pixels ``[n, height, width, channels]``; n may be 0.

        Raises:
            InputError: the pixels have another shape or dtype.
        """
        image = self.manifest.image
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (
            image.height,
            image.width,
            image.channels,
        ):
            expected = f"uint8 [n, {image.height}, {image.width}, {image.channels}]"
            raise InputError(
                "these pixels aren't what the model takes",
                expected=expected,
                received=f"{pixels.dtype} {list(pixels.shape)}",
            )
        if len(pixels) == 0:
            return np.zeros((0, len(self.manifest.labels)), np.float32)
        with self._turn:
            if len(pixels) != self._batch:
                self._interpreter.resize_tensor_input(self._input["index"], pixels.shape)
                self._interpreter.allocate_tensors()
                self._batch = len(pixels)
            self._interpreter.set_tensor(self._input["index"], pixels)
            self._interpreter.invoke()
            probabilities: Probabilities = self._interpreter.get_tensor(self._output["index"])
        return probabilities

    def _open(self, threads: int) -> None:
        try:
            self._interpreter = Interpreter(model_path=str(self._path), num_threads=threads)
        except ValueError as error:
            raise ContractError(
                f"the runtime can't load {self._path.name}: {shortened(error, 200)}",
                fix="train and export the model again",
            ) from error
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._batch = 0
        self._turn = threading.Lock()

    def _check(self) -> None:
        image, labels = self.manifest.image, len(self.manifest.labels)
        shape, outputs = list(self._input["shape_signature"]), list(self._output["shape_signature"])
        kinds = (np.dtype(self._input["dtype"]), np.dtype(self._output["dtype"]))
        if (
            kinds != (np.uint8, np.float32)
            or shape[1:] != [image.height, image.width, image.channels]
            or outputs[1:] != [labels]
        ):
            raise ContractError(
                f"{self.manifest.served_file} doesn't fit its manifest",
                expected=(
                    f"uint8 [n, {image.height}, {image.width}, {image.channels}] to float32 [n,"
                    f" {labels}]"
                ),
                received=(
                    f"{kinds[0]} {[int(size) for size in shape]} to {kinds[1]}"
                    f" {[int(size) for size in outputs]}"
                ),
            )
