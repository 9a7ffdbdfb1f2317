"""A short soak of the real server: no errors, and no growth of memory.

`make bench NAME=serving_soak` is the long one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from components.serving.predictor import process
from components.serving.predictor.process import Server
from components.shared.images.decode import encode_png
from tests.artifacts import pattern

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import load_client

PNG = encode_png(pattern(3, np.random.default_rng(2)))


def resident_bytes(server: Server) -> int:
    process.require_alive(server)
    return server.memory.resident


@pytest.mark.slow
def test_no_error_and_no_growth(server: Server) -> None:
    good = load_client.post("/v1/models/faces:predict", PNG, "image/png")
    bad = load_client.post("/v1/models/faces:predict", PNG[:60], "image/png")
    load_client.load(server.port, good, 32, 5.0)
    load_client.load(server.port, bad, 8, 2.0)
    before = resident_bytes(server)
    for clients, seconds in ((32, 10.0), (8, 15.0)):
        seen = load_client.load(server.port, good, clients, seconds)
        assert seen["errors"] == 0
        assert seen["requests"] > 100
    refused = load_client.load(server.port, bad, 8, 5.0)
    assert refused["errors"] == refused["requests"] > 100
    assert resident_bytes(server) < 1.05 * before


@pytest.mark.slow
def test_large_pictures_take_turns_and_give_their_memory_back(server: Server) -> None:
    """Ten requests of 200 KB that each mean 49 million pixels, at once; a pod has one gigabyte."""
    huge = load_client.post(
        "/v1/models/faces:predict", encode_png(np.zeros((7000, 7000, 3), np.uint8)), "image/png"
    )
    before = resident_bytes(server)
    seen = load_client.load(server.port, huge, 10, 8.0)
    assert seen["requests"] > 0
    assert seen["errors"] == 0
    peak = (
        int(Path(f"/proc/{server.process.pid}/status").read_text().split("VmHWM:")[1].split()[0])
        * 1024
    )
    assert peak - before < 600_000_000
    good = load_client.post("/v1/models/faces:predict", PNG, "image/png")
    assert load_client.load(server.port, good, 1, 5.0)["errors"] == 0
    assert resident_bytes(server) - before < 100_000_000
