"""Bytes or pixels in, one answer per image out: what serves, without a server.

    classifier = Classifier(folder)                       # a version's folder, verified
    for answer in classifier.classify([jpeg, png]):
        print(answer.label or answer.message)

The predictor, `emotion predict` and whatever stands in front of the model (a face detector that hands on
crops of a photo) all answer through this class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts.preset import ImageSpec
from components.images.decode import ImageRefused, Pixels, read_input, to_input
from components.inference.cpus import cpu_limit
from components.inference.model import Probabilities, ServedModel


@dataclass(frozen=True)
class Answer:
    """What the model says about one image, or why it says nothing.

    Attributes:
        probabilities: by label, in the order of the outputs; None with an error.
        reason, message: one fixed word and a sentence; empty without an error.
        version: of the model that answered.
    """

    label: str = ""
    probabilities: dict[str, float] | None = None
    reason: str = ""
    message: str = ""
    version: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON values, without the version, which a response names once."""
        if self.reason:
            return {"error": {"reason": self.reason, "message": self.message}}
        return {"label": self.label, "probabilities": self.probabilities}


class Classifier:
    """One version of a model, ready to answer. Safe to call from several threads; they take turns in the runtime.

    Args:
        folder: the model artifact. threads: of the runtime; None takes the CPUs that this process may use.

    Raises:
        ContractError: the artifact isn't what its manifest says.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._model = ServedModel(folder, threads or cpu_limit())
        self.manifest = self._model.manifest
        self.labels: tuple[str, ...] = self.manifest.labels
        self.image: ImageSpec = self.manifest.image
        self.version = self.manifest.version

    def classify(self, contents: Sequence[bytes | ImageRefused]) -> list[Answer]:
        """Answer encoded images; one that can't be read gets its own error and doesn't harm the others."""
        return self._answers([self.read(content) for content in contents])

    def classify_pictures(self, pictures: Sequence[Pixels]) -> list[Answer]:
        """Answer decoded pictures of any size, uint8 ``[h, w]`` or ``[h, w, 3]``, as `components.images.decode` gives them."""
        return self._answers([to_input(picture, self.image) for picture in pictures])

    def read(self, content: bytes | ImageRefused) -> Pixels | ImageRefused:
        """An encoded image as the model's input, uint8 ``[height, width, channels]``, or why it can't be read."""
        if isinstance(content, ImageRefused):
            return content
        try:
            return read_input(content, self.image)
        except ImageRefused as refused:
            return refused

    def predict(self, pixels: Pixels) -> Probabilities:
        """Calibrated probabilities, float32 ``[n, labels]``, of the model's input ``[n, height, width, channels]``."""
        return self._model.predict(pixels)

    def answers(self, inputs: Sequence[Pixels | ImageRefused], probabilities: Probabilities) -> list[Answer]:
        """One answer per input, from the probabilities of those that could be read, in their order."""
        rows = iter(probabilities.tolist())
        return [self._refusal(each) if isinstance(each, ImageRefused) else self._answer(next(rows)) for each in inputs]

    def _answers(self, inputs: Sequence[Pixels | ImageRefused]) -> list[Answer]:
        readable = [each for each in inputs if not isinstance(each, ImageRefused)]
        if not readable:
            return [self._refusal(each) for each in inputs if isinstance(each, ImageRefused)]
        return self.answers(inputs, self.predict(np.stack(readable)))

    def _answer(self, row: list[float]) -> Answer:
        return Answer(self.labels[row.index(max(row))], dict(zip(self.labels, row, strict=True)), version=self.version)

    def _refusal(self, refused: ImageRefused) -> Answer:
        return Answer(reason=refused.reason, message=refused.detail, version=self.version)
