"""Bytes or pixels in, one answer per image out: what serves, without a server.

    classifier = Classifier(folder)                       # a version's folder, verified
    answer = classifier.answer(jpeg)
    print(answer.label or answer.message)

The predictor, `emotion predict` and whatever stands in front of the model (a face detector that
hands on crops of a photo) all answer through this class.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.shared.images.decode import ImageRefused, Pixels, read_input
from components.shared.inference.cpus import cpu_limit
from components.shared.inference.model import ServedModel
from components.shared.preset import ImageSpec


class Crop(bytes):
    """An encoded file that shows one face and nothing else: no detector looks at it."""


# What stands for one image: an encoded file, the model's own input, or why there is neither.
Sent = bytes | Pixels | ImageRefused


@dataclass(frozen=True)
class Answer:
    """What the model says about one image, or why it says nothing.

    Attributes:
        probabilities: by label, in the order of the outputs; None with an error.
        reason, message: one fixed word and a sentence; empty without an error.
        version: of the model that answered.
        faces: of a photo, where faces are looked for, each with an answer of its own; None where
            they aren't.
    """

    label: str = ""
    probabilities: dict[str, float] | None = None
    reason: str = ""
    message: str = ""
    version: str = ""
    faces: tuple[FaceAnswer, ...] | None = None

    def each(self) -> tuple[Answer, ...]:
        """Return the answers of its faces; itself where none were looked for."""
        return (self,) if self.faces is None else tuple(face.answer for face in self.faces)

    def plain(self) -> dict[str, Any]:
        """As JSON values, without the version, which a response names once."""
        if self.reason:
            return {"error": {"reason": self.reason, "message": self.message}}
        if self.faces is not None:
            return {
                "faces": [
                    {"box": list(face.box), "score": face.score, **face.answer.plain()}
                    for face in self.faces
                ]
            }
        return {"label": self.label, "probabilities": self.probabilities}


@dataclass(frozen=True)
class FaceAnswer:
    """What the model says about one face of a photo.

    Attributes:
        box: left, top, right and bottom of what the model saw, in the photo's pixels; it may reach
            over the edge.
        score: of the detector, from 0 to 1. pixels: the model's input.
    """

    box: tuple[int, int, int, int]
    score: float
    answer: Answer
    pixels: Pixels


class Classifier:
    """One version of a model, ready to answer. Safe to call from several threads.

    They take turns in the runtime.

    Args:
        folder: the model artifact. threads: of the runtime; None takes the CPUs that this process
            may use.

    Raises:
        ContractError: the artifact isn't what its manifest says.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._model = ServedModel(folder, threads or cpu_limit())
        self.labels: tuple[str, ...] = self._model.manifest.labels
        self.image: ImageSpec = self._model.manifest.image
        self.version = self._model.manifest.version

    def twin(self, threads: int) -> Classifier:
        """Return the same version with a runtime of its own, so that both can answer at the same time."""
        other = copy.copy(self)
        other._model = self._model.twin(threads)
        return other

    def read(self, image: Sent) -> Pixels | ImageRefused:
        """Return an image as the model's input, uint8 ``[height, width, channels]``, or why it can't be read."""
        try:
            return read_input(image, self.image) if isinstance(image, bytes) else image
        except ImageRefused as refused:
            return refused

    def answer(self, image: Sent) -> Answer:
        """Answer one image: a file's bytes, or what `read` made of them.

        One that can't be read is answered with an error.

        Raises:
            InputError: pixels of another shape or dtype.
        """
        return self.answers([image])[0]

    def answers(self, images: Sequence[Sent]) -> list[Answer]:
        """Answer images as `answer` does, in one run of the model, whose memory grows with their number."""
        read = [self.read(image) for image in images]
        pixels = [each for each in read if not isinstance(each, ImageRefused)]
        rows = iter(self._rows(pixels) if pixels else [])
        return [
            self._refused(each) if isinstance(each, ImageRefused) else self._answer(next(rows))
            for each in read
        ]

    def _rows(self, pixels: Sequence[Pixels]) -> list[list[float]]:
        found: list[list[float]] = self._model.predict(
            pixels[0][np.newaxis] if len(pixels) == 1 else np.stack(pixels)
        ).tolist()
        return found

    def _refused(self, why: ImageRefused) -> Answer:
        return Answer(reason=why.reason, message=why.detail, version=self.version)

    def _answer(self, row: list[float]) -> Answer:
        return Answer(
            self.labels[row.index(max(row))],
            dict(zip(self.labels, row, strict=True)),
            version=self.version,
        )
