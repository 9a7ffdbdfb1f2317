"""Pods, hours and cost of a night, from what its steps say of themselves and a file of prices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.reporting.cost import Prices, cost_of, in_words, read_prices
from components.reporting.evidence import Observed
from components.shared.serialization import to_json
from tests.reporting import builders

PRICES = Prices(
    "EUR", cpu_hour=0.05, memory_gb_hour=0.01, gpu_hour={"nvidia.com/gpu": 2.0}, spot=0.5
)
EXAMPLE = Path(__file__).parents[2] / "infra" / "prices.example.json"


def step(name: str, seconds: float, **told: object) -> Observed:
    recorded = {"cpu": 1, "memory_gb": 2, "gpus": 0, "gpu": "", "spot": False} | told
    return Observed(
        name,
        "succeeded",
        seconds,
        started_at="2026-11-21T02:30:00",
        environment={"resources": json.dumps(recorded)},
    )


def test_the_arithmetic() -> None:
    night = [
        step("resolve", 1800),
        step("train", 7200, cpu=4, memory_gb=16, gpus=2, gpu="nvidia.com/gpu", spot=True),
    ]
    cost = cost_of(night, PRICES)
    assert (cost.on_cluster, cost.pods, cost.seconds) == (True, 2, 9000)
    assert (cost.cpu_hours, cost.memory_gb_hours, cost.gpu_hours) == (8.5, 33.0, 4.0)
    # 0.5 h of 1 core and 2 GB, and 2 h of 4 cores, 16 GB and 2 GPUs at half the price
    assert cost.price == pytest.approx(0.5 * (0.05 + 0.02) + 2 * (0.2 + 0.16 + 4.0) * 0.5)
    assert in_words(cost) == "2 pods, 8.50 CPU-hours, 4.00 GPU-hours, 4.39 EUR"


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=6), st.floats(0, 1e4), st.integers(1, 5))
def test_attempts_that_failed_cost_as_much(
    seconds: list[float], earlier: float, attempts: int
) -> None:
    night = [step("train", one) for one in seconds]
    tried = [
        Observed(**{**vars(night[0]), "earlier_seconds": earlier, "attempts": attempts}),
        *night[1:],
    ]
    longer = [Observed(**{**vars(night[0]), "seconds": night[0].seconds + earlier}), *night[1:]]
    assert cost_of(tried, PRICES).price == pytest.approx(cost_of(longer, PRICES).price, abs=1e-3)
    assert cost_of(tried, PRICES).pods == len(night) + attempts - 1


def test_steps_that_never_began_cost_nothing() -> None:
    night = [step("resolve", 3600), Observed("train", "missing"), Observed("gate", "skipped")]
    assert cost_of(night, PRICES).pods == 1


def test_what_isnt_known_is_said() -> None:
    night = [
        step("resolve", 3600),
        Observed(**{**vars(step("train", 0, gpus=1, gpu="amd.com/gpu")), "status": "running"}),
    ]
    cost = cost_of(night, PRICES)
    assert cost.price is None
    assert (
        cost.note
        == "prices.json has no gpu_hour of amd.com/gpu; the time of train isn't known, which was"
        " killed"
    )
    assert "EUR" not in in_words(cost)


def test_on_one_machine_there_is_process_time_alone() -> None:
    night = [
        Observed("train", "succeeded", 20, started_at="2026-11-21T02:30:00", cpu_seconds=38.25)
    ]
    cost = cost_of(night, PRICES)
    assert (cost.on_cluster, cost.pods, cost.price, cost.process_seconds) == (False, 0, None, 38.25)
    assert in_words(cost) == "38 s of processor time"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "the store has no prices.json"),
        (b"{", "isn't valid JSON"),
        (b'{"currency": "EUR"}', "cpu_hour"),
        (to_json({**vars(PRICES), "spot": -1.0}).encode(), "a price is below 0"),
    ],
)
def test_prices_that_cant_be_used_stop_nothing(content: bytes | None, why: str) -> None:
    prices, note = read_prices(content)
    assert prices is None
    assert why in note


def test_the_example_is_a_file_of_prices() -> None:
    prices, note = read_prices(EXAMPLE.read_bytes())
    assert note == ""
    assert prices is not None
    assert prices.gpu_hour.keys() == {"nvidia.com/gpu"}


def test_the_summary_tells_it(run) -> None:
    summary = run(builders.every_night()["blessed"]).summary
    assert summary["cost"]["on_cluster"] is False
    assert summary["cost"]["seconds"] == pytest.approx(
        sum(builders.SECONDS[one["name"]] for one in summary["steps"][:-1])
    )
    assert summary["cost"]["words"].endswith("of processor time")
