"""Faces in photos: the real detector on drawn faces, and what is answered."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.serving.photos import face_detector
from components.serving.photos.annotation import annotated
from components.serving.photos.face_detector import Face, FaceDetector, cut
from components.serving.photos.photos import PhotoClassifier
from components.serving.predictor.classifier import Answer, Classifier, Crop
from components.shared.errors import ContractError
from components.shared.images.decode import encode_png
from tests.models import LABELS, SMALL
from tests.serving.drawing import photo


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def classifier(model_folder: Path, detector: FaceDetector) -> PhotoClassifier:
    return PhotoClassifier(Classifier(model_folder), detector)


@pytest.mark.parametrize(("width", "height"), [(400, 400), (640, 300), (300, 640)])
@pytest.mark.parametrize("side", [150, 250])
def test_finds_a_face_of_a_picture_of_any_shape(
    detector: FaceDetector, width: int, height: int, side: int
) -> None:
    left, top = (width - side) // 3, (height - side) // 2
    [face] = detector.detect(photo(width, height, (left, top, side)))
    assert face.score > face_detector.MIN_SCORE
    assert left < face.left < left + side / 2 < face.right < left + side
    assert top < face.top < top + side / 2 < face.bottom < top + side
    assert abs(face.right - face.left - (face.bottom - face.top)) < 2


def test_finds_each_face_once_in_colour_and_gray(detector: FaceDetector) -> None:
    picture = photo(640, 400, (20, 50, 180), (240, 150, 180), (450, 40, 180))
    assert len(detector.detect(picture)) == 3
    gray = np.asarray(Image.fromarray(picture).convert("L"))
    assert len(detector.detect(gray)) == 3


@pytest.mark.parametrize(
    "picture",
    [photo(), photo(1, 1), np.zeros((3, 2000), np.uint8)],
    ids=["blank", "one-pixel", "strip"],
)
def test_finds_no_face_where_there_is_none(detector: FaceDetector, picture: np.ndarray) -> None:
    assert detector.detect(picture) == []


def test_the_crop_begins_above_the_box_and_keeps_its_sides() -> None:
    face = Face(100, 100, 200, 200, 0.9)
    assert face.square(0) == (100, 100, 200, 200)
    left, top, right, bottom = face.square(0.1)
    assert (left, right) == (90, 210)
    assert (top, bottom) == (82, 202)


def test_a_crop_over_the_edge_repeats_the_edge() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert cut(picture, (-1, -1, 2, 2)).tolist() == [[0, 0, 1], [0, 0, 1], [4, 4, 5]]
    assert cut(picture, (1, 0, 3, 2)).tolist() == [[1, 2], [5, 6]]


def test_another_file_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_detector, "SHA256", "0" * 64)
    with pytest.raises(ContractError, match="file was changed"):
        FaceDetector()


def test_answers_each_face_as_its_crop(classifier: PhotoClassifier, model_folder: Path) -> None:
    picture = photo(640, 400, (20, 50, 180), (400, 150, 180))
    answer = classifier.answer(encode_png(picture))
    assert answer.faces is not None
    assert [each.label in LABELS for each in answer.each()] == [True, True]
    alone = Classifier(model_folder)
    for face in answer.faces:
        assert face.pixels.shape == (SMALL.height, SMALL.width, SMALL.channels)
        assert face.answer == alone.answer(face.pixels)
    plain = answer.plain()["faces"]
    assert [set(face) for face in plain] == [{"box", "score", "label", "probabilities"}] * 2


def test_no_face_is_an_answer_and_a_file_that_is_none_an_error(classifier: PhotoClassifier) -> None:
    blank, text, crop = map(
        classifier.answer, (encode_png(photo()), b"text", np.zeros((16, 16, 1), np.uint8))
    )
    assert blank.plain() == {"faces": []}
    assert text.plain()["error"]["reason"] == "not-an-image"
    assert crop.faces is None, "pixels of the model's own size are a face already"
    assert crop.label in LABELS


def test_a_crop_is_answered_as_without_a_detector(
    classifier: PhotoClassifier, model_folder: Path
) -> None:
    picture = encode_png(photo(400, 400, (80, 80, 200)))
    assert classifier.answer(picture).faces
    for image in (picture, encode_png(photo()), b"text"):
        assert classifier.answer(Crop(image)) == Classifier(model_folder).answer(image)


def test_draws_boxes_and_labels(classifier: PhotoClassifier) -> None:
    picture = photo(400, 400, (80, 80, 200))
    drawn = np.asarray(
        Image.open(io.BytesIO(annotated(picture, classifier.answer(encode_png(picture)))))
    )
    assert drawn.shape == picture.shape
    changed = (drawn != picture).any(axis=2)
    assert 0.005 < changed.mean() < 0.2
    small = annotated(np.zeros((48, 48), np.uint8), Answer("happy", {"happy": 1.0}))
    assert Image.open(io.BytesIO(small)).size == (240, 240)
