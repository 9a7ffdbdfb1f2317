"""What a night took, and what that costs.

From what its steps recorded of themselves, and a file of prices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from components.reporting.evidence import Observed
from components.shared.errors import InputError
from components.shared.serialization import from_json
from components.shared.text import shortened

HOUR = 3600.0


@dataclass(frozen=True)
class Prices:
    """What an hour costs, as the store's ``prices.json`` says it.

    Attributes:
        cpu_hour, memory_gb_hour: of one core and of one GB, as a pod is promised them. gpu_hour: by
            resource name.
        spot: share of these prices that a step pays which may run on spot nodes. source: where they
            come from, and of when.
    """

    currency: str
    cpu_hour: float
    memory_gb_hour: float
    gpu_hour: dict[str, float] = field(default_factory=dict)
    spot: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        if min(self.cpu_hour, self.memory_gb_hour, self.spot, *self.gpu_hour.values()) < 0:
            raise InputError("a price is below 0", expected="prices of an hour, 0 or more")


@dataclass(frozen=True)
class Cost:
    """What the steps of a night took.

    Attributes:
        on_cluster: they ran in pods; on one machine only ``seconds`` and ``process_seconds`` are
            known.
        pods: of steps, every attempt; Kubeflow's own, which prepare each, aside.
        seconds: of all steps together. process_seconds: processor time that they used.
        cpu_hours, memory_gb_hours, gpu_hours: promised to the pods, for as long as the steps
            worked.
        price: of these, in ``currency``; None without prices. note: why there is none, or what it
            leaves out.
    """

    on_cluster: bool
    pods: int
    seconds: float
    process_seconds: float
    cpu_hours: float = 0.0
    memory_gb_hours: float = 0.0
    gpu_hours: float = 0.0
    price: float | None = None
    currency: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Pod:
    hours: float
    cpu: float
    memory_gb: float
    gpus: int
    gpu: str
    spot: bool


def cost_of(steps: Iterable[Observed], prices: Prices | None, note: str = "") -> Cost:
    """Return the cost of a night.

    A cached step took its time in an earlier attempt of the same run, and counts too.
    """
    began = [
        step for step in steps if step.started_at and step.status not in ("missing", "skipped")
    ]
    seconds = round(sum(step.seconds + step.earlier_seconds for step in began), 3)
    used = round(sum(step.cpu_seconds for step in began), 3)
    pods = [(step, pod) for step in began if (pod := _pod(step)) is not None]
    if not pods:
        return Cost(False, 0, seconds, used)
    unpriced = sorted(
        {pod.gpu for _, pod in pods if pod.gpus and prices and pod.gpu not in prices.gpu_hour}
    )
    if unpriced:
        prices, note = None, f"prices.json has no gpu_hour of {', '.join(unpriced)}"
    killed = [step.name for step, _ in pods if step.status == "running"]
    left_out = f"the time of {', '.join(killed)} isn't known, which was killed" if killed else ""
    return Cost(
        on_cluster=True,
        pods=sum(step.attempts for step, _ in pods),
        seconds=seconds,
        process_seconds=used,
        cpu_hours=round(sum(pod.hours * pod.cpu for _, pod in pods), 4),
        memory_gb_hours=round(sum(pod.hours * pod.memory_gb for _, pod in pods), 4),
        gpu_hours=round(sum(pod.hours * pod.gpus for _, pod in pods), 4),
        price=None if prices is None else round(sum(_price(pod, prices) for _, pod in pods), 4),
        currency=prices.currency if prices else "",
        note="; ".join(filter(None, (note, left_out))),
    )


def read_prices(content: bytes | None) -> tuple[Prices | None, str]:
    """Return the prices that a store holds, and why there are none.

    A wrong file must not stop the report.
    """
    if content is None:
        return None, "the store has no prices.json"
    try:
        return from_json(Prices, content, "prices.json"), ""
    except Exception as error:  # noqa: BLE001 - whatever a person wrote there
        return None, shortened(error, 300)


def as_summary(cost: Cost) -> dict[str, Any]:
    """Return the cost as the night's summary holds it, also in words."""
    return asdict(cost) | {"words": in_words(cost)}


def in_words(cost: Cost) -> str:
    """One line for people."""
    if not cost.on_cluster:
        return f"{cost.process_seconds:,.0f} s of processor time"
    words = f"{cost.pods} pods, {cost.cpu_hours:.2f} CPU-hours, {cost.gpu_hours:.2f} GPU-hours"
    return (
        words
        + (f", {cost.price:.2f} {cost.currency}" if cost.price is not None else "")
        + (f" ({cost.note})" if cost.note else "")
    )


def _pod(step: Observed) -> _Pod | None:
    """Return what the step's pod was promised; None at a desk."""
    try:
        told = json.loads(step.environment["resources"])
        hours = (step.seconds + step.earlier_seconds) / HOUR
        return _Pod(
            hours,
            float(told["cpu"]),
            float(told["memory_gb"]),
            int(told["gpus"]),
            str(told["gpu"]),
            bool(told["spot"]),
        )
    except (KeyError, ValueError, TypeError):
        return None


def _price(pod: _Pod, prices: Prices) -> float:
    hour = pod.cpu * prices.cpu_hour + pod.memory_gb * prices.memory_gb_hour
    hour += pod.gpus * prices.gpu_hour[pod.gpu] if pod.gpus else 0.0
    return pod.hours * hour * (prices.spot if pod.spot else 1.0)
