"""A served model: LiteRT on uint8 pixels, verified before its first use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from components.contracts.artifacts import ModelManifest, verified_model
from components.contracts.errors import ContractError

Probabilities = npt.NDArray[np.float32]


class ServedModel:
    """The served file of a model artifact.

    Args:
        folder: the model artifact. threads: of the runtime.

    Raises:
        ContractError: a checksum differs, or the file's input or output isn't what the manifest says.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.manifest: ModelManifest = verified_model(folder)
        self._interpreter = Interpreter(model_path=str(folder / self.manifest.served_file), num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._batch = 0
        self._check()

    def predict(self, pixels: npt.NDArray[np.uint8]) -> Probabilities:
        """Calibrated probabilities, float32 ``[n, labels]``, of uint8 pixels ``[n, height, width, channels]``."""
        if len(pixels) != self._batch:
            self._interpreter.resize_tensor_input(self._input["index"], pixels.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(pixels)
        self._interpreter.set_tensor(self._input["index"], pixels)
        self._interpreter.invoke()
        probabilities: Probabilities = self._interpreter.get_tensor(self._output["index"])
        return probabilities

    def _check(self) -> None:
        image = self.manifest.image
        expected = f"uint8 [n, {image.height}, {image.width}, {image.channels}] to float32 [n, {len(self.manifest.labels)}]"
        shape, outputs = self._input["shape_signature"], self._output["shape_signature"]
        if (
            self._input["dtype"] != np.uint8
            or list(shape[1:]) != [image.height, image.width, image.channels]
            or outputs[-1] != len(self.manifest.labels)
        ):
            received = f"{np.dtype(self._input['dtype'])} {list(shape)} to {list(outputs)}"
            raise ContractError(f"{self.manifest.served_file} doesn't fit its manifest", expected=expected, received=received)
