"""A real predictor with a real shadow and a store: what users wait for doesn't change."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from components.serving.predictor import process
from components.serving.predictor.process import HOST, Server
from components.shared.predictor_client import Client, predict_url
from components.shared.preset import PayloadPolicy, ShadowPolicy
from components.shared.records import ServedRow
from components.shared.serialization import from_json, to_json
from components.shared.store.disk import DiskStore
from tests.serving.conftest import predictor, wait_for
from tests.serving.test_observing import PICTURE, reply, shadow_server

REQUESTS = 80


def metrics(server: Server) -> dict[str, float]:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if line.startswith("emotion_"))
    }


def milliseconds(client: Client) -> float:
    answered = client.predict(PICTURE)
    assert answered.probabilities, answered.error
    return 1000 * answered.seconds


@pytest.mark.parametrize("kind", ["slow", "dead"])
def test_answers_do_not_wait_for_the_shadow(
    kind: str, model_folder: Path, tmp_path: Path, server: Server
) -> None:
    """Interleaved requests to this predictor and to one without a shadow.

    The shadow takes 300 ms, or isn't there.
    """
    (closed,) = process.free_ports(1)
    with shadow_server(reply({"happy": 1.0}), seconds=0.3) as (slow, _):
        url = slow if kind == "slow" else f"http://{HOST}:{closed}/v1/models/faces:predict"
        arguments = [
            "--shadow",
            to_json(ShadowPolicy(url, share=1.0)),
            "--payload",
            to_json(PayloadPolicy(share=1.0)),
        ]
        with predictor(
            model_folder, tmp_path, *arguments, "--payload-store", str(tmp_path / "store")
        ) as shadowed:
            with (
                Client(predict_url(f"http://{HOST}:{shadowed.port}", "faces")) as ours,
                Client(predict_url(f"http://{HOST}:{server.port}", "faces")) as plain,
            ):
                pairs = [(milliseconds(ours), milliseconds(plain)) for _ in range(REQUESTS)]
            counted = f'emotion_observed_total{{observer="shadow",outcome="{"failed" if kind == "dead" else "seen"}"}}'
            wait_for(lambda: metrics(shadowed).get(counted, 0.0) >= 1, 5)
            counts = metrics(shadowed)
    with_shadow, without = (statistics.median(values) for values in zip(*pairs, strict=True))
    assert with_shadow < 1.5 * without + 5, (
        f"p50 {with_shadow:.1f} ms with a {kind} shadow, {without:.1f} ms without"
    )
    seen = {
        word: counts.get(f'emotion_observed_total{{observer="shadow",outcome="{word}"}}', 0.0)
        for word in ("seen", "failed", "dropped")
    }
    assert seen["failed" if kind == "dead" else "seen"] >= 1
    store = DiskStore(tmp_path / "store")
    rows = [
        from_json(ServedRow, line)
        for key in store.list("served/faces")
        for line in (store.read(key) or b"").splitlines()
    ]
    assert len(rows) == REQUESTS, "flushed while the server ended"
    assert {(row.width, row.height) for row in rows} == {(24, 20)}


def test_the_shadow_of_the_same_model_agrees(
    model_folder: Path, tmp_path: Path, server: Server
) -> None:
    url = f"http://{HOST}:{server.port}/v1/models/faces:predict"
    with predictor(
        model_folder, tmp_path, "--shadow", to_json(ShadowPolicy(url, share=1.0))
    ) as shadowed:
        with Client(predict_url(f"http://{HOST}:{shadowed.port}", "faces")) as client:
            for _ in range(5):
                milliseconds(client)
        assert wait_for(
            lambda: metrics(shadowed).get('emotion_shadow_images_total{outcome="agreed"}') == 5.0
        )
        assert metrics(shadowed)['emotion_shadow_difference_bucket{le="0.0001"}'] == 5.0


def test_a_wrong_setting_ends_the_server_with_one_line(model_folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "components.serving",
        "serve",
        "--model-dir",
        str(model_folder),
    ]
    for arguments, told in (
        (["--shadow", '{"url": "ftp://elsewhere"}'], "shadow.url"),
        (["--payload", "{}"], "give --payload-store"),
    ):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode in (2, 3)
        assert told in done.stderr
