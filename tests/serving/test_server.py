"""The real predictor over HTTP: both protocols, good requests and bad ones."""

from __future__ import annotations

import base64
import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.serving.predictor.process import HOST, Server
from components.shared.images.decode import encode_png
from components.shared.predictor_client import Client, predict_url
from tests.artifacts import pattern
from tests.models import LABELS, softmax_of
from tests.serving.conftest import WEIGHTS

PIXELS = pattern(3, np.random.default_rng(2))
PNG = encode_png(PIXELS)
EXPECTED = softmax_of(PIXELS[None, :, :, None], WEIGHTS)[0]


def ask(
    server: Server,
    method: str,
    path: str,
    body: Any = None,
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, content, {"Content-Type": kind, **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        return response.status, (
            json.loads(content)
            if response.headers.get("content-type", "").startswith("application/json")
            else content.decode()
        )
    finally:
        connection.close()


def v1(server: Server, body: Any, kind: str = "application/json") -> tuple[int, Any]:
    return ask(server, "POST", "/v1/models/faces:predict", body, kind)


def v2(server: Server, *inputs: dict[str, Any]) -> tuple[int, Any]:
    return ask(server, "POST", "/v2/models/faces/infer", {"id": "7", "inputs": list(inputs)})


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def instance(content: bytes) -> dict[str, Any]:
    return {"image": {"b64": base64_of(content)}}


def test_v1_answers_label_probabilities_and_version(server: Server, model_folder: Path) -> None:
    status, answer = v1(server, {"instances": [instance(PNG)]})
    assert status == 200
    (prediction,) = answer["predictions"]
    assert prediction["label"] == LABELS[int(EXPECTED.argmax())]
    assert list(prediction["probabilities"]) == list(LABELS)
    np.testing.assert_allclose(list(prediction["probabilities"].values()), EXPECTED, atol=1e-5)
    assert answer["model_name"] == "faces"
    assert len(answer["model_version"]) == 12


def test_v1_bad_images_in_a_batch_get_their_own_error(server: Server) -> None:
    status, answer = v1(
        server,
        {
            "instances": [
                instance(b"no image"),
                instance(PNG),
                instance(PNG[:60]),
                {"image": {"b64": "?"}},
            ]
        },
    )
    assert status == 200
    kinds = [
        prediction["error"]["reason"] if "error" in prediction else "fine"
        for prediction in answer["predictions"]
    ]
    assert kinds == ["not-an-image", "fine", "truncated", "not-base64"]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_v1_takes_an_images_own_bytes(server: Server, kind: str) -> None:
    status, answer = v1(server, PNG, kind)
    assert status == 200
    assert answer["predictions"][0]["label"] == LABELS[3]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/x-www-form-urlencoded"]
)
def test_v1_takes_json_under_other_content_types(server: Server, kind: str) -> None:
    status, answer = v1(server, {"instances": [instance(PNG)]}, kind)
    assert (status, answer["predictions"][0]["label"]) == (200, LABELS[3])


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ({}, "application/json", 'expected {"instances": [{"image"'),
        ({"instances": []}, "application/json", "expected 1 to 256"),
        ({"instances": [{"b64": "x"}]}, "application/json", "instance 0 has no image.b64"),
        (b"{", "application/json", "isn't valid JSON"),
        (b"", "application/json", "isn't valid JSON"),
        (b"no image", "image/png", "not-an-image"),
        (b"", "image/png", "the file has no bytes"),
    ],
)
def test_v1_bad_requests_are_told_what_to_send(
    server: Server, body: Any, kind: str, message: str
) -> None:
    status, answer = v1(server, body, kind)
    assert status == 400
    assert message in answer["error"]


def test_v2_takes_encoded_images(server: Server) -> None:
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [2],
        "data": [base64_of(PNG), base64_of(b"no image")],
    }
    status, answer = v2(server, tensor)
    assert status == 200
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert outputs["label"]["data"] == [LABELS[3], ""]
    assert outputs["probabilities"]["shape"] == [2, 7]
    np.testing.assert_allclose(outputs["probabilities"]["data"][:7], EXPECTED, atol=1e-5)
    assert outputs["error"]["data"][0] == ""
    assert outputs["error"]["data"][1].startswith("not-an-image")
    assert (answer["id"], len(answer["model_version"])) == ("7", 12)


@pytest.mark.parametrize(
    "data", [PIXELS.ravel().tolist(), PIXELS[None, :, :, None].tolist()], ids=["flat", "nested"]
)
def test_v2_takes_pixels(server: Server, data: list[Any]) -> None:
    status, answer = v2(
        server, {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 1], "data": data}
    )
    assert status == 200
    np.testing.assert_allclose(answer["outputs"][1]["data"], EXPECTED, atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "received 0 inputs"),
        ([{"datatype": "FP32", "shape": [1], "data": [0.5]}], "received FP32"),
        (
            [{"datatype": "UINT8", "shape": [1, 8, 8, 1], "data": [0] * 64}],
            (
                "expected one input, BYTES [n] of image files (base64 in JSON), or UINT8 [n, 16,"
                " 16, 1]"
            ),
        ),
        (
            [{"datatype": "UINT8", "shape": [1, 16, 16, 1], "data": [0] * 255}],
            "don't fit its shape",
        ),
        (
            [{"datatype": "UINT8", "shape": [1, 16, 16, 1], "data": [256] * 256}],
            "whole numbers from 0 to 255",
        ),
        (
            [{"datatype": "UINT8", "shape": [1, 16, 16, 1], "data": [0.5] * 256}],
            "whole numbers from 0 to 255",
        ),
        (
            [{"datatype": "UINT8", "shape": [1, 16, 16, 1], "data": [[1], [1, 2]]}],
            "whole numbers from 0 to 255",
        ),
        ([{"datatype": "UINT8", "shape": [-1, 16, 16, 1], "data": [0] * 256}], "expected 1 to 256"),
        ([{"datatype": "BYTES", "shape": [0], "data": []}], "expected 1 to 256"),
        ([{"datatype": "BYTES", "shape": [1], "data": [{}]}], "not-base64"),
    ],
)
def test_v2_bad_requests(server: Server, inputs: list[dict[str, Any]], message: str) -> None:
    status, answer = v2(server, *[{"name": "image", **tensor} for tensor in inputs])
    assert message in json.dumps(answer, ensure_ascii=False)
    assert status == (200 if message == "not-base64" else 400)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"inputs": 3}'])
def test_v2_bodies_that_are_no_request(server: Server, body: bytes) -> None:
    status, _ = ask(server, "POST", "/v2/models/faces/infer", body)
    assert 400 <= status < 500


def test_health_metrics_and_metadata_are_kserves(server: Server) -> None:
    assert ask(server, "GET", "/v2/health/ready") == (200, {"ready": True})
    assert ask(server, "GET", "/v1/models/faces") == (200, {"name": "faces", "ready": True})
    assert ask(server, "GET", "/v1/models/other")[0] == 404
    v1(server, {"instances": [instance(PNG)]})
    status, text = ask(server, "GET", "/metrics")
    assert status == 200
    assert 'request_predict_seconds_count{model_name="faces"}' in text


def test_the_small_client_agrees(server: Server) -> None:
    with Client(predict_url(f"http://{HOST}:{server.port}", "faces")) as client:
        reply = client.predict(PNG)
        np.testing.assert_allclose(list(reply.probabilities.values()), EXPECTED, atol=1e-5)
        assert client.predict(b"no image").error.startswith("not-an-image")
    with Client(predict_url(f"http://{HOST}:{server.port}", "other")) as client:
        assert client.predict(PNG).error.startswith("HTTP 404")
