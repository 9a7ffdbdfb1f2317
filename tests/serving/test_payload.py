"""Requests to images and answers to responses, without a server."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from components.serving.predictor.classifier import Classifier, Crop
from components.serving.protocol.payload import MAX_IMAGES, as_asked, images_of_v1, json_of
from components.shared.errors import InputError
from components.shared.images.decode import ImageRefused, encode_png
from tests.artifacts import pattern
from tests.models import LABELS, stripe_weights, write_model

PNG = encode_png(np.arange(256, dtype=np.uint8).reshape(16, 16))


def instance(content: bytes) -> dict[str, object]:
    return {"image": {"b64": base64.b64encode(content).decode()}}


def test_instances_and_raw_bytes() -> None:
    assert images_of_v1({"instances": [instance(PNG), instance(b"x")]}) == [PNG, b"x"]
    assert images_of_v1(PNG) == [PNG]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "no list of instances.*an object with no keys"),
        ([], "no list of instances.*received a list"),
        (None, "received null"),
        ({"instances": {}}, "no list of instances"),
        ({"instances": []}, "too few or too many images; expected 1 to 256; received 0"),
        ({"instances": [instance(b"x")] * (MAX_IMAGES + 1)}, "received 257; to fix it: split it"),
        ({"instances": [instance(b"x"), {"image": "x"}]}, r"instance 1 has no image\.b64"),
        ({"instances": [instance(b"x"), 7]}, r"instance 1 has no image\.b64"),
    ],
)
def test_a_request_that_cant_be_used_is_told_what_to_send(body: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        images_of_v1(body)


@pytest.mark.parametrize("parameters", [None, {}, {"other": 1}, [], "faces"])
@pytest.mark.parametrize("detects", [True, False])
def test_images_are_taken_as_the_server_takes_them_unless_it_is_told(
    parameters: object, detects: bool
) -> None:
    [image] = as_asked([PNG], parameters, detects)
    assert (image, type(image)) == (PNG, bytes)


def test_crops_are_told_from_photos() -> None:
    pixels, refused = np.zeros((16, 16, 1), np.uint8), ImageRefused("odd", "x")
    crop, *others = as_asked([PNG, pixels, refused], {"faces": False}, True)
    assert (crop, type(crop)) == (PNG, Crop)
    assert others == [pixels, refused]
    assert (
        as_asked([PNG], {"faces": True}, True) == as_asked([PNG], {"faces": False}, False) == [PNG]
    )


@pytest.mark.parametrize(
    ("wanted", "detects", "message"),
    [
        (True, False, "expected false: this server takes crops of faces; received True"),
        (1, True, "expected true for photos, false for crops of faces; received 1"),
        ("false", False, "received 'false'"),
        (None, True, "received None"),
    ],
)
def test_a_wish_for_faces_that_cant_be_followed(
    wanted: object, detects: bool, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        as_asked([PNG], {"faces": wanted}, detects)


def test_json_that_is_none_is_told_what_to_send() -> None:
    with pytest.raises(InputError, match="isn't valid JSON .*; expected that"):
        json_of(b'{"instances": [', "that")


def test_one_bad_image_doesnt_harm_the_others(model_folder: Path) -> None:
    classifier = Classifier(model_folder)
    face = encode_png(pattern(3, np.random.default_rng(2)))
    images = images_of_v1(
        {"instances": [instance(b"no image"), instance(face), {"image": {"b64": "*"}}]}
    )
    found = [classifier.answer(image) for image in (*images, b"", ImageRefused("odd", "x"))]
    assert [answer.reason for answer in found] == ["not-an-image", "", "not-base64", "empty", "odd"]
    assert found[1].label == LABELS[3]
    assert list(found[1].probabilities or ()) == list(LABELS)
    assert {answer.version for answer in found} == {classifier.version}
    assert found[0].plain()["error"]["reason"] == "not-an-image"


def test_a_twin_answers_the_same_with_buffers_of_its_own(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights(noise=1.0))
    first = Classifier(tmp_path / "model", threads=1)
    twin = first.twin(2)
    assert twin.answer(PNG) == first.answer(PNG)
    assert twin._model._interpreter is not first._model._interpreter
