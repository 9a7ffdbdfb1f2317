"""Requests to a revision past any split of traffic.

Golden images, and the counters of what users send.
"""

from __future__ import annotations

import http.client
import math
import re
import socket
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.deployment.rollout.cluster import Cluster, ClusterUnreachable
from components.deployment.rollout.health import Sample
from components.deployment.rollout.state import Rollout
from components.shared.artifacts.contract import verified_model
from components.shared.artifacts.golden import GoldenImage, read_golden
from components.shared.errors import ContractError
from components.shared.predictor_client import Client, Reply, predict_url
from components.shared.serving_metrics import REQUESTS

TIMEOUT_SECONDS = 10.0
TRIES = 3  # of one smoke request that got no answer at all
_COUNTER = re.compile(rf'^{REQUESTS}\{{(?:[^}}]*,)?code="(\d+)"[^}}]*\}} (\S+)', re.MULTILINE)


class Prober(Protocol):
    """Raises ClusterUnreachable where this machine can't resolve the cluster's addresses."""

    def smoke(self, rollout: Rollout) -> Sample:
        """Every golden image once, to the new revision, until one is answered wrongly."""

    def probe(self, rollout: Rollout, requests: int) -> Sample:
        """Send golden requests to the new revision and to the previous one, in turn.

        It ends early where one isn't answered at all.

        Returns:
            What came back, and what users sent meanwhile.
        """


@dataclass(frozen=True)
class Golden:
    """Test images as received, with the probabilities that the model artifact expects, in the order of its labels."""

    version: str
    labels: tuple[str, ...]
    images: tuple[GoldenImage, ...]


def golden_of(model: Path) -> Golden:
    """Return the golden images of a model artifact.

    Raises:
        ContractError: the artifact isn't what its manifest says, or has no golden images to test
            with.
    """
    manifest = verified_model(model)
    images = read_golden(model)
    if not images:
        raise ContractError(
            f"version {manifest.version} has no golden images",
            fix="set serving.golden_images above 0 and train again; a rollout tests with them",
        )
    return Golden(manifest.version, manifest.labels, images)


class GoldenProber:
    """See `Prober`.

    Keeps what users had sent by the last look, so each probe tells what came since.
    """

    def __init__(
        self, golden: Golden, cluster: Cluster, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._golden = golden
        self._cluster = cluster
        self._clock = clock
        self._next = 0
        self._counted: dict[str, dict[str, float]] = {}

    def smoke(self, rollout: Rollout) -> Sample:
        """See `Prober.smoke`."""
        address, _ = self._cluster.addresses(rollout, rollout.new)
        tolerance = rollout.policy.golden_tolerance
        with self._client(address, rollout) as client:
            sample = Sample()
            for golden in self._golden.images:
                reply = _predict(client, golden.image)
                for _ in range(TRIES - 1):
                    if reply.status:
                        break
                    reply = _predict(client, golden.image)
                wrong = self._wrong(reply, golden.expected, tolerance)
                sample += Sample(
                    1,
                    int(bool(wrong)),
                    0,
                    (1000 * reply.seconds,),
                    (),
                    f"{golden.name}: {wrong}" if wrong else "",
                )
                if wrong:
                    break
        return sample

    def probe(self, rollout: Rollout, requests: int) -> Sample:
        """See `Prober.probe`."""
        address, pods = self._cluster.addresses(rollout, rollout.new)
        previous = self._cluster.addresses(rollout, rollout.previous)[0] if rollout.previous else ""
        before = self._users(pods)
        sample, answered, failed = Sample(), 0, 0
        with (
            self._client(address, rollout) as ours,
            self._client(previous, rollout) as theirs,
        ):
            for _ in range(requests):
                golden = self._golden.images[self._next % len(self._golden.images)]
                self._next += 1
                reply = _predict(ours, golden.image)
                answered, failed = answered + bool(reply.status), failed + (reply.status >= 500)
                wrong = self._wrong(reply, golden.expected, rollout.policy.golden_tolerance)
                other = _predict(theirs, golden.image) if previous else Reply()
                latencies = (1000 * other.seconds,) if other.status == 200 else ()
                sample += Sample(
                    1,
                    int(bool(wrong)),
                    0,
                    (1000 * reply.seconds,),
                    latencies,
                    f"{golden.name}: {wrong}" if wrong else "",
                )
                if not reply.status:
                    break  # each further one might take its whole timeout, and the driver's deadline wants to be looked at
        return sample + _live(before, self._users(pods), answered, failed)

    def _wrong(self, reply: Reply, expected: tuple[float, ...], tolerance: float) -> str:
        """Return what is wrong with an answer, in words; "" when nothing is."""
        if reply.error:
            return reply.error
        if reply.version != self._golden.version:
            return f"answered by version {reply.version or 'unknown'}, not {self._golden.version}"
        probabilities = reply.probabilities
        if set(probabilities) != set(self._golden.labels):
            return f"labels {sorted(probabilities)}, not {sorted(self._golden.labels)}"
        differences = [
            abs(probabilities[label] - value)
            for label, value in zip(self._golden.labels, expected, strict=True)
        ]
        # Not `> tolerance`: a NaN is no match.
        if not all(difference <= tolerance for difference in differences):
            return f"a probability is off by {max(differences):.2g}, more than {tolerance:g}"
        return ""

    def _client(self, address: str, rollout: Rollout) -> Client:
        url = predict_url(address, rollout.model_name) if address else ""
        return Client(url, TIMEOUT_SECONDS, self._clock)

    def _users(self, pods: tuple[str, ...]) -> tuple[dict[str, float], ...]:
        """Growth of the pods' counters by status code since the last look at each."""
        grown = []
        for pod in pods:
            counters = scrape(pod)
            if counters is None:
                continue
            earlier = self._counted.get(pod)
            self._counted[pod] = counters
            if earlier is not None:
                # A counter that fell was reset by a restart: all it shows came since.
                grown.append(
                    {
                        code: (
                            value - earlier.get(code, 0) if value >= earlier.get(code, 0) else value
                        )
                        for code, value in counters.items()
                    }
                )
        return tuple(grown)


def _predict(client: Client, image: bytes) -> Reply:
    """Send an image. Raises ClusterUnreachable where the host's name isn't known here."""
    try:
        return client.predict(image)
    except socket.gaierror as error:
        raise ClusterUnreachable(
            f"the name {client.host} isn't known here",
            received=str(error),
            fix="run it in the cluster, where the deploy step does",
        ) from error


def scrape(address: str) -> dict[str, float] | None:
    """Return requests that a pod has answered so far, by HTTP status; None when it doesn't say."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != 200:
        return None
    counters: dict[str, float] = {}
    for code, value in _COUNTER.findall(text):
        counters[code] = counters.get(code, 0.0) + float(value)
    return counters


def reachable(address: str) -> bool:
    """Whether this machine knows the address's name."""
    parts = urllib.parse.urlsplit(address)
    try:
        socket.getaddrinfo(parts.hostname, parts.port or 80)
    except (socket.gaierror, UnicodeError):
        return False
    return True


def _live(
    before: tuple[dict[str, float], ...],
    after: tuple[dict[str, float], ...],
    golden: int,
    golden_failed: int,
) -> Sample:
    """Return what users sent.

    Growth before this probe's golden requests, and during them less those.
    """
    earlier, during = _sum(before), _sum(after)
    requests = earlier[0] + max(0, during[0] - golden)
    errors = earlier[1] + max(0, during[1] - golden_failed)
    return Sample(requests, min(errors, requests), requests)


def _sum(grown: tuple[dict[str, float], ...]) -> tuple[int, int]:
    counts = [
        (code, value)
        for counters in grown
        for code, value in counters.items()
        if math.isfinite(value)
    ]
    return int(sum(value for _, value in counts)), int(
        sum(value for code, value in counts if code.startswith("5"))
    )
