"""What so many requests and errors show about a version's health."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from components.shared.preset import RolloutPolicy
from components.shared.statistics import clopper_pearson, percentile_95
from components.shared.text import percent

CONFIDENCE = 0.95
ENOUGH_LATENCIES = 100  # p95 of fewer says little


@dataclass(frozen=True)
class Sample:
    """Requests that a version answered, or should have.

    Attributes:
        requests, errors: all of them, live ones included. An error is a 5xx, no answer, or another
            answer than expected.
        live_requests: those that users sent.
        milliseconds, previous_milliseconds: of golden requests to the new and to the previous
            version, sent in turn.
        wrong: what was wrong with a golden answer, in words; "" when nothing was.
    """

    requests: int = 0
    errors: int = 0
    live_requests: int = 0
    milliseconds: tuple[float, ...] = field(default=(), repr=False)
    previous_milliseconds: tuple[float, ...] = field(default=(), repr=False)
    wrong: str = ""

    def __add__(self, other: Sample) -> Sample:
        return Sample(
            self.requests + other.requests,
            self.errors + other.errors,
            self.live_requests + other.live_requests,
            self.milliseconds + other.milliseconds,
            self.previous_milliseconds + other.previous_milliseconds,
            self.wrong or other.wrong,
        )


@dataclass(frozen=True)
class Verdict:
    """good, bad, or unknown as long as too little was seen; and why."""

    word: Literal["good", "bad", "unknown"]
    reason: str


def judge(sample: Sample, policy: RolloutPolicy) -> Verdict:
    """Whether the version may have more traffic.

    The error rate is bounded from both sides at 95 %: good when even the upper bound is low enough,
    bad when even the lower one is too high.
    """
    low, high = error_bounds(sample.errors, sample.requests)
    limit = policy.max_error_rate
    told = f"{sample.errors} of {sample.requests} requests failed" + (
        f" ({sample.wrong})" if sample.wrong else ""
    )
    if low > policy.max_error_rate:
        return Verdict("bad", f"{told}; at most {percent(limit, limit)} may")
    latency = _latency(sample, policy)
    if latency.word != "good":
        return latency
    if high <= policy.max_error_rate:
        return Verdict("good", f"{told}: at most {percent(high, limit)} do, at 95 %")
    return Verdict("unknown", f"{told}: up to {percent(high, limit)} might, at 95 %")


def error_bounds(errors: int, requests: int) -> tuple[float, float]:
    """Return one-sided 95 % bounds of an error rate, the lower and the upper one."""
    return clopper_pearson(errors, requests, 1 - CONFIDENCE)


def requests_needed(max_error_rate: float) -> int:
    """Error-free requests after which the upper bound is at most ``max_error_rate``."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - max_error_rate))


def _latency(sample: Sample, policy: RolloutPolicy) -> Verdict:
    if not sample.previous_milliseconds:
        return Verdict("good", "nothing to compare with")
    if min(len(sample.milliseconds), len(sample.previous_milliseconds)) < ENOUGH_LATENCIES:
        return Verdict("unknown", "too few latencies")
    now, before = (
        percentile_95(sample.milliseconds) or 0.0,
        percentile_95(sample.previous_milliseconds) or 0.0,
    )
    limit = before * policy.max_latency_ratio + policy.latency_slack_milliseconds
    told = f"p95 {now:.0f} ms, {before:.0f} ms before, limit {limit:.0f} ms"
    return Verdict("bad" if now > limit else "good", told)
