"""Requests that no server should fall over.

Each gets its 4xx and a word of what to send, and the next is answered.
"""

from __future__ import annotations

import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from components.serving.predictor.process import HOST, Server
from components.shared.images.decode import encode_png
from tests.artifacts import pattern
from tests.models import LABELS
from tests.serving.conftest import wait_for
from tests.serving.test_server import ask, base64_of, instance

PNG = encode_png(pattern(3, np.random.default_rng(2)))
V1, V2 = "/v1/models/faces:predict", "/v2/models/faces/infer"


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that says it has 900 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(autouse=True)
def answers_the_next_request(server: Server) -> Iterator[None]:
    yield
    assert server.process.poll() is None
    assert answers(server)


def answers(server: Server) -> bool:
    status, answer = ask(server, "POST", V1, PNG, "image/png")
    return status == 200 and answer["predictions"][0]["label"] == LABELS[3]


def tensor(**changes: Any) -> bytes:
    described = {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 1], "data": [0] * 256}
    return json.dumps({"inputs": [{**described, **changes}]}).encode()


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "message"),
    [
        (V1, b"", "image/jpeg", 400, "empty: the file has no bytes"),
        (V1, b"", "application/json", 400, "isn't valid JSON"),
        (V1, bytes(20_000_000), "image/jpeg", 413, "at most 16,000,000 bytes"),
        (V2, bytes(20_000_000), "application/json", 413, "at most 16,000,000 bytes"),
        (V1, b"hello, this is text", "image/png", 400, "not-an-image"),
        (V1, PNG[:-40], "image/png", 400, "truncated"),
        (V1, bomb(), "image/png", 400, "too-many-pixels"),
        (
            V1,
            PNG,
            "application/pdf",
            415,
            "the content type application/pdf can't be used; expected application/json",
        ),
        (
            V1,
            PNG,
            "text/plain",
            415,
            "or the bytes of one image with the content type image/jpeg, image/png or image/webp",
        ),
        (V1, PNG, "", 415, "expected application/json"),
        (V2, PNG, "image/png", 415, '{"inputs": [{"name": "image"'),
        (
            V1,
            b'{"instances": [}',
            "application/json",
            400,
            'expected {"instances": [{"image": {"b64"',
        ),
        (V1, b"\xff\xfe{}", "application/json", 400, "isn't valid JSON"),
        (V1, b"[" * 100_000, "application/json", 400, "isn't valid JSON"),
        (
            V1,
            json.dumps({"instances": [instance(PNG)] * 10_000}).encode(),
            "application/json",
            400,
            "received 10000; to fix it: split it",
        ),
        (
            V2,
            tensor(shape=[1, 17, 16, 1]),
            "application/json",
            400,
            "wrong shape; expected one input",
        ),
        (V2, tensor(shape=[1, 16, 16]), "application/json", 400, "wrong shape"),
        (V2, tensor(shape=["a"]), "application/json", 400, "no name, datatype or shape"),
        (V2, tensor(shape=[10_000, 16, 16, 1]), "application/json", 400, "received 10000"),
        (V2, tensor(shape=[10_000], datatype="BYTES"), "application/json", 400, "received 10000"),
        (
            V2,
            tensor(datatype="FP32", data=[0.5] * 256),
            "application/json",
            400,
            "received FP32 [1, 16, 16, 1]",
        ),
        (V2, tensor(datatype="ROBOT"), "application/json", 400, "received ROBOT"),
        (V2, tensor(data=[float("nan")] * 256), "application/json", 400, "isn't valid JSON"),
        (V2, tensor(data=[None] * 256), "application/json", 400, "whole numbers from 0 to 255"),
        (V2, tensor(data=[-1] * 256), "application/json", 400, "whole numbers from 0 to 255"),
        (V2, tensor(data="0"), "application/json", 400, "input image has no data"),
        (V2, b'{"inputs": [7]}', "application/json", 400, "no name, datatype or shape"),
        (
            V2,
            b'{"inputs": [], "outputs": [{"name": "x"}]}',
            "application/json",
            400,
            "no such output",
        ),
    ],
)
def test_each_is_told_what_to_send(
    server: Server, path: str, body: bytes, kind: str, status: int, message: str
) -> None:
    found, answer = ask(server, "POST", path, body, kind)
    assert (found, message in answer["error"]) == (status, True), answer


@pytest.mark.parametrize(
    ("header", "tail", "message"),
    [
        ({"binary_data_size": 9}, b"short", "binary_data_size from 0 to 5; received 9"),
        ({"binary_data_size": -1}, b"", "received -1"),
        ({"binary_data_size": "4"}, b"four", "received '4'"),
        ({"binary_data_size": 4}, b"four and more", "the binary data don't fit the inputs"),
        ({"binary_data_size": 8}, b"\xff\xff\xff\xffabcd", "don't fit its shape"),
    ],
)
def test_binary_tensors_that_lie_about_their_length(
    server: Server, header: dict[str, Any], tail: bytes, message: str
) -> None:
    text = json.dumps(
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "parameters": header}]}
    ).encode()
    status, answer = ask(
        server,
        "POST",
        V2,
        text + tail,
        "application/octet-stream",
        {"Inference-Header-Content-Length": str(len(text))},
    )
    assert (status, message in answer["error"]) == (400, True), answer


@pytest.mark.parametrize("length", ["-1", "abc", "99999"])
def test_a_json_length_that_cant_be(server: Server, length: str) -> None:
    status, answer = ask(
        server,
        "POST",
        V2,
        tensor(),
        "application/octet-stream",
        {"Inference-Header-Content-Length": length},
    )
    assert (status, "inference-header-content-length is wrong" in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nothing", 404, "POST /v1/models/faces:predict or POST /v2/models/faces/infer"),
        ("GET", "/openapi.json", 404, "GET /v2/models/faces"),
        ("POST", "/v1/models/other:predict", 404, "to predict: POST /v1/models/faces:predict"),
        ("POST", "/v2/models/faces/versions/other/infer", 404, "POST /v2/models/faces/infer"),
        ("POST", "/v1/models/faces:explain", 404, "to predict"),
        ("GET", V1, 405, "takes POST only"),
        ("POST", "/metrics", 405, "takes GET only"),
        ("POST", "/v2/repository/models/faces/unload", 403, "neither loaded nor unloaded"),
        ("POST", "/v2/repository/models/faces/load", 403, "this server has one version"),
    ],
)
def test_closed_and_unknown_paths(
    server: Server, method: str, path: str, status: int, message: str
) -> None:
    found, answer = ask(server, method, path, b"{}" if method == "POST" else None)
    assert (found, message in answer["error"]) == (status, True), answer


def test_slow_clients_are_told_and_hold_nobody_up(server: Server) -> None:
    slow = {
        "headers": b"POST /v1/models/faces:predict HTTP/1.1\r\nHost: x\r\nContent-T",
        "body": (
            b"POST /v1/models/faces:predict HTTP/1.1\r\nHost: x\r\nContent-Type:"
            b" image/png\r\nContent-Length: 500\r\n\r\nabc"
        ),
        "nothing": b"",
    }
    sockets = {}
    for what, sent in slow.items():
        sockets[what] = socket.create_connection((HOST, server.port), timeout=20)
        sockets[what].sendall(sent)
    began = time.monotonic()
    assert answers(server)
    assert time.monotonic() - began < 5
    for what, held in sockets.items():
        answer = received(held)
        assert answer.startswith(b"HTTP/1.1 408"), what
        assert b"to fix it: send" in answer
        held.close()
    assert time.monotonic() - began < 18


def received(held: socket.socket) -> bytes:
    content = b""
    while chunk := held.recv(65536):
        content += chunk
    return content


def test_a_disconnect_midway_is_counted_and_nothing_else(server: Server) -> None:
    for _ in range(5):
        with socket.create_connection((HOST, server.port), timeout=5) as held:
            held.sendall(
                b"POST /v1/models/faces:predict HTTP/1.1\r\nHost: x\r\nContent-Type:"
                b" image/png\r\nContent-Length: 5000\r\n\r\nabc"
            )
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and 'code="499"' not in ask(server, "GET", "/metrics")[1]:
        time.sleep(0.05)
    assert 'emotion_requests_total{code="499"}' in ask(server, "GET", "/metrics")[1]


def test_bytes_that_are_no_http(server: Server) -> None:
    with socket.create_connection((HOST, server.port), timeout=5) as held:
        held.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert received(held).startswith(b"HTTP/1.1 400")


def test_the_log_says_why_and_holds_nothing_of_an_image(server: Server) -> None:
    secret = b"a picture of somebody, not readable"
    assert ask(server, "POST", V1, {"instances": [instance(PNG), instance(secret)]})[0] == 200
    assert ask(server, "POST", V1, secret, "image/png", {"X-Request-Id": "the-log-test"})[0] == 400
    assert wait_for(lambda: "the-log-test" in server.log.read_text()), "the line follows the answer"
    lines = [
        json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")
    ]
    (mine,) = [line for line in lines if line.get("id") == "the-log-test"]
    assert (mine["code"], mine["path"], mine["level"]) == (400, V1, "info")
    assert "not-an-image" in mine["error"]
    text = server.log.read_text()
    assert "Traceback" not in text
    assert base64_of(PNG)[:40] not in text
    assert "somebody" not in text
