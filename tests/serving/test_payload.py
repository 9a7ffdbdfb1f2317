"""Requests to images and answers to responses, without a server."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from components.contracts.errors import InputError
from components.images.decode import ImageRefused, encode_png
from components.serving.payload import MAX_IMAGES, answers, images_of_v1, read_batch
from tests.models import SMALL

PNG = encode_png(np.arange(256, dtype=np.uint8).reshape(16, 16))


def instance(content: bytes) -> dict[str, object]:
    return {"image": {"b64": base64.b64encode(content).decode()}}


def test_instances_raw_bytes_and_json_under_another_name() -> None:
    body = {"instances": [instance(PNG), instance(b"x")]}
    assert images_of_v1(body) == [PNG, b"x"]
    assert images_of_v1(json.dumps(body).encode()) == [PNG, b"x"]
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
        (b'{"instances": [', "isn't valid JSON"),
    ],
)
def test_a_request_that_cant_be_used_is_told_what_to_send(body: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        images_of_v1(body)


def test_one_bad_image_doesnt_harm_the_others() -> None:
    contents = images_of_v1({"instances": [instance(b"no image"), instance(PNG), {"image": {"b64": "*"}}]})
    batch = read_batch([*contents, b""], SMALL)
    assert batch.pixels.shape == (1, 16, 16, 1)
    found = answers(batch, ("a", "b"), np.array([[0.25, 0.75]]))
    assert [answer.reason for answer in found] == ["not-an-image", "", "not-base64", "empty"]
    assert found[1].plain() == {"label": "b", "probabilities": {"a": 0.25, "b": 0.75}}
    assert found[0].plain()["error"]["reason"] == "not-an-image"


def test_no_readable_image_is_an_empty_batch() -> None:
    assert read_batch([ImageRefused("empty", "x")], SMALL).pixels.shape == (0, 16, 16, 1)
