"""Comparison of golden images, latencies, and the log of a server that doesn't start."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.serving.check.check import (
    compare,
    difference_of,
    p95_ratio,
    summarise,
)
from components.serving.predictor import process
from components.serving.predictor.limits import few_cpus, limit_memory, starved
from components.serving.predictor.process import Server
from components.shared.artifacts.golden import GoldenImage, read_golden
from components.shared.errors import ContractError, EnvironmentProblem
from components.shared.images.decode import encode_png
from components.shared.predictor_client import Client, Reply, predict_url
from components.shared.preset import ServingPolicy
from tests.models import stripe_weights, write_model

LABELS = ("a", "b")


def test_differences_beyond_the_allowed_one_and_errors_are_failures() -> None:
    golden = [GoldenImage(f"{name}.png", b"", (0.25, 0.75)) for name in "abcd"]
    replies = [
        Reply({"a": 0.25, "b": 0.75}, ""),
        Reply({"a": 0.2501, "b": 0.7499}, ""),
        Reply({"a": 0.35, "b": 0.65}, ""),
        Reply({}, "HTTP 500: broken"),
    ]
    found = compare(golden[:3], replies[:3], LABELS, 1e-3)
    assert (found.images, found.failures) == (3, 1)
    assert found.max_difference == pytest.approx(0.1)
    assert found.problems == ("c.png: differs by 0.1",)
    assert compare(golden, replies, LABELS, 1e-3).max_difference == 1.0
    assert compare(golden, replies, LABELS, 1e-3).problems[1] == "d.png: HTTP 500: broken"


def test_other_labels_another_order_or_nan_differ_as_much_as_can_be() -> None:
    assert difference_of((0.5, 0.5), {"b": 0.5, "a": 0.5}, LABELS) == 1.0
    assert difference_of((0.5, 0.5), {"a": 0.5}, LABELS) == 1.0
    assert difference_of((0.5, 0.5), {"a": float("nan"), "b": 0.5}, LABELS) == 1.0
    assert difference_of((1.0,), {"a": 0.5, "b": 0.5}, LABELS) == 1.0


def test_latencies() -> None:
    found = summarise([0.001 * value for value in range(1, 101)])
    assert found.p50 == pytest.approx(50.5)
    assert found.p95 == pytest.approx(95.0)
    assert found.per_second == pytest.approx(100 / 5.05)
    assert summarise([0.002]).p95 == pytest.approx(2.0)
    assert summarise([]).per_second == 0


def test_damaged_golden_images_are_named(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights(), golden=2)
    assert len(read_golden(tmp_path / "model")) == 2
    for content in ("{", "[]", '{"gone.png": [1.0]}', '{"a.png": 1}'):
        (tmp_path / "model" / "golden" / "expected.json").write_text(content)
        with pytest.raises(ContractError, match=r"golden images of .* can't be read"):
            read_golden(tmp_path / "model")


def test_a_server_that_isnt_ready_in_time_shows_its_last_lines(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights())
    with (
        process.running(
            "challenger", "faces", tmp_path / "model", tmp_path, ServingPolicy()
        ) as server,
        pytest.raises(
            EnvironmentProblem,
            match=r"the challenger's server wasn't ready in 0 s; received its last lines",
        ),
    ):
        process.wait_until_ready(server, timeout_seconds=0.0)
    assert server.process.returncode is not None


def test_a_server_that_refuses_its_model_shows_why(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights())
    (tmp_path / "model" / "more").write_text("added")
    with (
        process.running(
            "champion", "faces", tmp_path / "model", tmp_path, ServingPolicy()
        ) as server,
        pytest.raises(
            ContractError,
            match=r"the champion's server ended with 3; .* is not what its manifest says",
        ),
    ):
        process.wait_until_ready(server)


def test_a_server_has_the_cpus_and_the_memory_of_its_container(server: Server) -> None:
    own = os.sched_getaffinity(0)
    tasks = [int(task.name) for task in Path(f"/proc/{server.process.pid}/task").iterdir()]
    assert len(tasks) > 1
    (cpus,) = {frozenset(os.sched_getaffinity(task)) for task in tasks}
    assert len(cpus) == 1
    assert cpus < own if len(own) > 1 else cpus == own
    assert resource.prlimit(server.process.pid, resource.RLIMIT_DATA) == (1 << 30, 1 << 30)
    process.require_alive(server)
    assert 50_000_000 < server.memory.resident <= server.memory.peak
    assert 0 < server.memory.taken < 1 << 30


@pytest.mark.parametrize(("cpus", "expected"), [(0.5, 1), (1.0, 1), (1.5, 2), (1000.0, 1000)])
def test_cpus_are_rounded_up_and_given_back(cpus: float, expected: int) -> None:
    own = os.sched_getaffinity(0)
    with few_cpus(cpus):
        again = os.sched_getaffinity(0)
    with few_cpus(cpus):
        assert os.sched_getaffinity(0) == again
        code = "from components.shared.inference.cpus import cpu_limit; print(cpu_limit())"
        seen = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
    assert int(seen) == min(expected, len(own))
    assert os.sched_getaffinity(0) == own


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("MemoryError", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        (
            (
                "ImportError: libx.so: failed to map segment from shared object: Cannot allocate"
                " memory"
            ),
            True,
        ),
        ("OpenBLAS error: Memory allocation still failed after 10 retries, giving up.", True),
        (
            (
                "RuntimeError: failed to create XNNPACK runtimeNode number 4"
                " (TfLiteXNNPackDelegate) failed to prepare."
            ),
            True,
        ),
        ("serve failed: model.tflite is not what its manifest says", False),
    ],
)
def test_a_log_says_that_memory_was_short(line: str, expected: bool) -> None:
    assert starved(f'first\n{{"exception": "{line}"}}\nlast') is expected


def test_a_server_that_needs_more_memory_while_it_answers_is_told_by_name(tmp_path: Path) -> None:
    write_model(tmp_path / "model", stripe_weights())
    with process.running(
        "challenger", "faces", tmp_path / "model", tmp_path, ServingPolicy()
    ) as server:
        process.wait_until_ready(server)
        process.require_alive(server)
        limit_memory(server.process.pid, server.memory.taken + 20_000_000)
        with Client(predict_url(f"http://{process.HOST}:{server.port}", "faces")) as client:
            assert client.predict(encode_png(np.zeros((7000, 7000), np.uint8))).error
        with pytest.raises(
            ContractError,
            match="the challenger's server doesn't fit into the memory of its container",
        ):
            process.require_alive(server)


def test_the_ratio_of_percentiles_comes_with_its_interval() -> None:
    rng = random.Random(1)
    champion = [0.002 + rng.random() / 1000 for _ in range(100)]
    same, (low, high) = p95_ratio(champion, champion)
    assert (same, low, high) == (1.0, 1.0, 1.0)
    slower, (low, high) = p95_ratio([1.3 * seconds for seconds in champion], champion)
    assert low == pytest.approx(1.3)
    assert slower == pytest.approx(1.3)
    noisy, (low, high) = p95_ratio([0.002 + rng.random() / 1000 for _ in range(100)], champion)
    assert low < noisy < high
    assert low < 1 < high
    assert p95_ratio([], []) == (0.0, ())


def test_one_disturbance_of_the_machine_is_no_evidence_of_a_slower_model() -> None:
    rng = random.Random(2)
    champion, challenger = ([0.001 + rng.random() / 5000 for _ in range(100)] for _ in "ab")
    challenger[40:48] = [0.005] * 8
    ratio, (low, _) = p95_ratio(challenger, champion)
    assert ratio > 3
    assert low < 1.1
