"""What the serving check compares and measures: golden images, latencies."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.shared.artifacts.golden import GoldenImage
from components.shared.errors import ContractError
from components.shared.predictor_client import Client, Reply
from components.shared.statistics import percentile_95

RATIO_RESAMPLES = 1000
RATIO_SEED = 95
RATIO_BLOCK = 10


@dataclass(frozen=True)
class GoldenResult:
    """How the golden images went.

    Attributes:
        max_difference: largest absolute difference of a probability; 1 where no answer came.
        problems: what went wrong with each failed image, in words.
    """

    images: int
    failures: int
    max_difference: float
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Latencies:
    """Of single-image requests, one after the other. Milliseconds."""

    p50: float
    p95: float
    per_second: float


def compare(
    golden: Sequence[GoldenImage], replies: Iterable[Reply], labels: Sequence[str], allowed: float
) -> GoldenResult:
    """Hold the server's answers against the expected probabilities.

    ``allowed`` is the largest difference that is no failure.
    """
    problems: list[str] = []
    largest = 0.0
    for image, reply in zip(golden, replies, strict=True):
        difference = difference_of(image.expected, reply.probabilities, labels)
        largest = max(largest, difference)
        if reply.error or difference > allowed:
            problems.append(f"{image.name[:12]}: {reply.error or f'differs by {difference:.2g}'}")
    return GoldenResult(len(golden), len(problems), largest, tuple(problems))


def difference_of(
    expected: Sequence[float], answered: Mapping[str, float], labels: Sequence[str]
) -> float:
    """Largest absolute difference of a probability, 1 when the answer has other labels or isn't finite."""
    if list(answered) != list(labels) or len(expected) != len(labels):
        return 1.0
    difference = max(
        abs(wanted - answered[label]) for wanted, label in zip(expected, labels, strict=True)
    )
    return difference if math.isfinite(difference) else 1.0


def time_requests(
    clients: Sequence[Client], images: Sequence[bytes], requests: int
) -> list[list[float]]:
    """Seconds of ``requests`` requests to each client, interleaved so that all meet the same load.

    Raises:
        ContractError: a request got no answer.
    """
    seconds: list[list[float]] = [[] for _ in clients]
    for index in range(requests):
        # Who goes first alternates too.
        for place in range(len(clients)) if index % 2 == 0 else reversed(range(len(clients))):
            reply = clients[place].predict(images[index % len(images)])
            if reply.error:
                raise ContractError(
                    "the server stopped answering while it was timed", received=reply.error
                )
            seconds[place].append(reply.seconds)
    return seconds


def summarise(seconds: Sequence[float]) -> Latencies:
    """Median, 95th percentile (nearest rank) and rate; zeros when nothing was timed."""
    if not seconds:
        return Latencies(0.0, 0.0, 0.0)
    return Latencies(
        1000 * statistics.median(seconds),
        1000 * (percentile_95(seconds) or 0.0),
        len(seconds) / sum(seconds),
    )


def p95_ratio(
    challenger: Sequence[float], champion: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """Return the challenger's 95th percentile over the champion's, and its 90 % interval.

    0 and none when nothing was timed.

    Request i of both met the same load, so pairs are resampled, not requests (Efron and Tibshirani
    1993, section 8.3); and a disturbance of the machine lasts for some requests in a row, so blocks
    of pairs are (Künsch 1989, "The jackknife and the bootstrap for general stationary
    observations"), around the end (Politis and Romano 1992).
    """
    if not challenger or not champion:
        return 0.0, ()
    ours, theirs, rng = list(challenger), list(champion), random.Random(RATIO_SEED)
    ratios = []
    for _ in range(RATIO_RESAMPLES):
        starts = rng.choices(range(len(ours)), k=-(-len(ours) // RATIO_BLOCK))
        drawn = [(start + step) % len(ours) for start in starts for step in range(RATIO_BLOCK)][
            : len(ours)
        ]
        ratios.append(
            summarise([ours[place] for place in drawn]).p95
            / summarise([theirs[place] for place in drawn]).p95
        )
    ratios.sort()
    interval = tuple(ratios[round(share * (RATIO_RESAMPLES - 1))] for share in (0.05, 0.95))
    return summarise(ours).p95 / summarise(theirs).p95, interval
