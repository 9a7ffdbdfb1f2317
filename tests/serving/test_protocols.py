"""Metadata, readiness and metrics of both protocols, the binary extension, and the way a server ends."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from components.serving.predictor.process import HOST, Server, free_ports
from components.shared.artifacts.contract import verified_model
from components.shared.images.decode import encode_png
from tests.artifacts import pattern
from tests.models import LABELS, softmax_of, stripe_weights, write_model
from tests.serving.conftest import WEIGHTS, wait_for
from tests.serving.test_kserve_clients import answers
from tests.serving.test_server import ask, instance

PIXELS = pattern(3, np.random.default_rng(2))
PNG = encode_png(PIXELS)
EXPECTED = softmax_of(PIXELS[None, :, :, None], WEIGHTS)[0]


def test_v2_metadata_follows_the_protocol(server: Server, model_folder: Path) -> None:
    version = verified_model(model_folder).version
    described = {
        "name": "faces",
        "versions": [version],
        "platform": "litert",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 16, 16, 1]}],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 7]},
            {"name": "error", "datatype": "BYTES", "shape": [-1]},
        ],
    }
    assert ask(server, "GET", "/v2/models/faces") == (200, described)
    assert ask(server, "GET", f"/v2/models/faces/versions/{version}") == (200, described)
    status, about = ask(server, "GET", "/v2")
    assert (status, about["name"], about["extensions"]) == (200, "kserve", ["binary_tensor_data"])
    assert ask(server, "GET", "/v2/models/other")[0] == 404


def test_readiness_of_both_protocols(server: Server, model_folder: Path) -> None:
    version = verified_model(model_folder).version
    assert ask(server, "GET", "/") == (200, {"status": "alive"})
    assert ask(server, "GET", "/v2/health/live") == (200, {"live": True})
    assert ask(server, "GET", "/v2/health/ready") == (200, {"ready": True})
    for path in (
        "/v2/models/faces/ready",
        f"/v2/models/faces/versions/{version}/ready",
        "/v1/models/faces",
    ):
        assert ask(server, "GET", path) == (200, {"name": "faces", "ready": True})
    assert ask(server, "GET", "/v1/models") == (200, {"models": ["faces"]})


def counted(server: Server, series: str) -> float:
    found = re.search(
        rf"^{re.escape(series)} (\S+)$", ask(server, "GET", "/metrics")[1], re.MULTILINE
    )
    return float(found[1]) if found else 0.0


def test_metrics_count_requests_labels_rejects_and_time(server: Server, model_folder: Path) -> None:
    series = (
        'emotion_requests_total{code="200"}',
        'emotion_requests_total{code="400"}',
        f'emotion_labels_total{{label="{LABELS[3]}"}}',
        'emotion_rejected_images_total{reason="not-an-image"}',
        'emotion_request_seconds_count{protocol="v1"}',
        'request_predict_seconds_count{model_name="faces"}',
    )
    before = [counted(server, each) for each in series]
    ask(
        server,
        "POST",
        "/v1/models/faces:predict",
        {"instances": [instance(PNG), instance(PNG), instance(b"no image")]},
    )
    ask(server, "POST", "/v1/models/faces:predict", {"instances": 3})
    assert [counted(server, each) - was for each, was in zip(series, before, strict=True)] == [
        1,
        1,
        2,
        1,
        2,
        1,
    ]
    assert (
        counted(
            server,
            f'emotion_model_info{{model_name="faces",version="{verified_model(model_folder).version}"}}',
        )
        == 1
    )


@pytest.mark.parametrize("kind", ["BYTES", "UINT8"])
def test_binary_tensors_in_and_out(server: Server, kind: str) -> None:
    raw = struct.pack("<I", len(PNG)) + PNG if kind == "BYTES" else PIXELS.tobytes()
    tensor = {
        "name": "image",
        "datatype": kind,
        "shape": [1] if kind == "BYTES" else [1, 16, 16, 1],
    }
    request = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(request).encode()
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    headers = {
        "Inference-Header-Content-Length": str(len(text)),
        "Content-Type": "application/octet-stream",
    }
    connection.request("POST", "/v2/models/faces/infer", text + raw, headers)
    response = connection.getresponse()
    content, end = response.read(), int(response.headers["inference-header-content-length"])
    connection.close()
    assert (response.status, response.headers["content-type"]) == (200, "application/octet-stream")
    described = json.loads(content[:end])
    sizes = [output["parameters"]["binary_data_size"] for output in described["outputs"]]
    assert end + sum(sizes) == len(content)
    np.testing.assert_allclose(
        np.frombuffer(content[end + sizes[0] :][: sizes[1]], np.float32), EXPECTED, atol=1e-5
    )
    assert content[end + 4 : end + sizes[0]].decode() == LABELS[3]


def test_one_output_can_be_asked_for(server: Server) -> None:
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "data": [base64.b64encode(PNG).decode()],
    }
    status, answer = ask(
        server,
        "POST",
        "/v2/models/faces/infer",
        {"inputs": [tensor], "outputs": [{"name": "label"}]},
    )
    assert (status, [output["name"] for output in answer["outputs"]]) == (200, ["label"])


def test_a_request_id_comes_back(server: Server) -> None:
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "data": [base64.b64encode(PNG).decode()],
    }
    assert (
        ask(server, "POST", "/v2/models/faces/infer", {"inputs": [tensor], "id": "mine"})[1]["id"]
        == "mine"
    )
    assert (
        ask(
            server,
            "POST",
            "/v2/models/faces/infer",
            {"inputs": [tensor]},
            headers={"X-Request-Id": "head"},
        )[1]["id"]
        == "head"
    )


@contextmanager
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    (port,) = free_ports(1)
    command = [
        sys.executable,
        "-m",
        "components.serving",
        "serve",
        "--model-dir",
        str(folder),
        "--model-name",
        "faces",
        "--grpc",
        "off",
    ]
    log = folder.with_suffix(".log")
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [*command, "--host", HOST, "--port", str(port)], stdout=stream, stderr=stream
        )
    try:
        assert wait_for(lambda: answers(f"http://{HOST}:{port}/v2/models/faces/ready"), 60)
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_sigterm_answers_what_comes_until_it_is_quiet(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights())
    request = (
        b"POST /v1/models/faces:predict HTTP/1.1\r\nHost: x\r\nContent-Type:"
        b" image/png\r\nContent-Length: %d\r\n\r\n" % len(PNG)
    ) + PNG
    with (
        started(tmp_path / "model") as (process, port),
        socket.create_connection((HOST, port), timeout=10) as halfway,
    ):
        halfway.sendall(request[:-10])
        codes: list[bytes] = []

        def keep_asking() -> None:
            for _ in range(8):
                with socket.create_connection((HOST, port), timeout=10) as late:
                    late.sendall(request)
                    codes.append(late.recv(65536)[9:12])
                time.sleep(0.2)

        process.send_signal(signal.SIGTERM)
        asking = threading.Thread(target=keep_asking)
        asking.start()
        assert wait_for(lambda: not answers(f"http://{HOST}:{port}/v2/models/faces/ready"), 5)
        time.sleep(0.5)
        halfway.sendall(request[-10:])
        answer = halfway.recv(65536)
        asking.join()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer.lower()
        assert codes == [b"200"] * 8
        assert process.wait(10) == 0


def test_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights())
    with started(tmp_path / "model") as (process, _):
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 3
        lines = [
            json.loads(line)
            for line in (tmp_path / "model.log").read_text().splitlines()
            if line.startswith("{")
        ]
        assert [line["event"] for line in lines if line["logger"] == "emotion.serving"] == [
            "serving",
            "ending",
            "ended",
        ]


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights())
    with socket.create_server((HOST, 0)) as held:
        port = str(held.getsockname()[1])
        command = [
            sys.executable,
            "-m",
            "components.serving",
            "serve",
            "--model-dir",
            str(tmp_path / "model"),
            "--host",
            HOST,
            "--port",
            port,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert f"serve failed: can't listen on {HOST}:{port}" in done.stderr
