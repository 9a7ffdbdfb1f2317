"""A rollout under real requests.

A gateway and predictors that listen on loopback, and a client that asks all the time.

The cluster's clock runs `speed` times as fast as the machine's, so a gateway that lags by ten
seconds lags by half a second. The gateway routes by the weights of the HTTPRoute `lag` seconds
after they were written; Gateway API has no condition that says when proxies took a route. A
predictor listens while its pods are ready, and its port closes when they go: who asks it then gets
503, as from a gateway.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from components.deployment.rollout.kubernetes_cluster import KubernetesCluster
from components.deployment.rollout.state import Rollout
from tests.deployment.rollout.kserve import NAMESPACE, Behaviour
from tests.deployment.rollout.over_http import Answering, serving
from tests.deployment.rollout.support import Clock, Killed, World

SPEED = 20.0
LOOK_SECONDS = 0.25  # of the cluster's time, between two looks of gateway and kubelet
ASK_SECONDS = 0.1  # of the cluster's time, between two requests of the client


class FastClock(Clock):
    """The machine's clock, `speed` times as fast."""

    def __init__(self, speed: float = SPEED) -> None:
        self.speed, self._began = speed, time.monotonic()

    def now(self) -> float:
        return 1000.0 + (time.monotonic() - self._began) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)


@dataclass
class Asked:
    """Requests of the client and what became of them."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


class LiveWorld(World):
    """A world whose traffic is real. Use `live` to open one."""

    def __init__(self, lag: float) -> None:
        super().__init__()
        self.lag = lag
        self.clock = FastClock()
        self.kserve.now = self.clock.now
        self.policy = replace(
            self.policy, rollout=replace(self.policy.rollout, soak_seconds=3.0, poll_seconds=1.0)
        )
        self.cluster = KubernetesCluster(
            self.cluster._api, NAMESPACE, self.name, sleep=self.clock.sleep
        )
        self.asked = Asked()
        self.applied: list[tuple[str, int]] = []
        self.dies_after: tuple[str, int] | None = None
        self._lock = threading.RLock()
        self._handle, self.kserve.handle = self.kserve.handle, self._locked  # type: ignore[method-assign]
        self._apply, self.cluster.apply = self.cluster.apply, self._applied  # type: ignore[method-assign]
        self._predictors: dict[str, tuple[str, ExitStack]] = {}
        self._routed: dict[str, int] = {}
        self._on_the_way: list[tuple[float, dict[str, int]]] = []
        self._over = threading.Event()

    def behave(self, *versions: str) -> None:
        """Let these versions get ready soon."""
        self.kserve.behaviours.update(dict.fromkeys(versions, Behaviour(ready_after=3.0)))

    def wait(self, seconds: float) -> None:
        """Let the cluster's time pass, while the client asks."""
        self.clock.sleep(seconds)

    def routed_share(self, version: str) -> int:
        """Percent of the traffic that the gateway sends to a version."""
        workloads = self.kserve.workloads
        return sum(
            weight
            for name, weight in self._routed.items()
            if name in workloads and workloads[name].version == version
        )

    def _locked(self, *request: Any) -> tuple[int, Any]:
        with self._lock:
            return self._handle(*request)

    def _applied(self, rollout: Rollout, resource_version: str | None) -> None:
        self._apply(rollout, resource_version)
        state = (rollout.phase, rollout.percent)
        self.applied.append(state)
        if state == self.dies_after:
            self.dies_after = None
            raise Killed

    def look(self) -> None:
        """What kubelet and gateway do by now."""
        with self._lock:
            self.kserve.tick()
            ready = {
                name: one.version
                for name, one in self.kserve.workloads.items()
                if self.kserve.ready(one)
            }
            weights, now = dict(self.kserve.weights), self.clock.now()
        for name in set(ready) - set(self._predictors):
            opened = ExitStack()
            self._predictors[name] = (opened.enter_context(serving(predictor(ready[name]))), opened)
        for name in set(self._predictors) - set(ready):
            self._predictors.pop(name)[1].close()
        newest = self._on_the_way[-1][1] if self._on_the_way else self._routed
        if weights != newest:
            self._on_the_way.append((now + self.lag, weights))
        while self._on_the_way and self._on_the_way[0][0] <= now:
            self._routed = self._on_the_way.pop(0)[1]

    def forward(self, chosen: float) -> tuple[int, bytes]:
        """What the gateway answers to a request. ``chosen``: from 0 to 1, picks the revision."""
        routed = self._routed
        names = [name for name, weight in routed.items() for _ in range(weight)]
        name = names[int(chosen * len(names))]
        address = self._predictors.get(name, ("", None))[0]
        if not address:
            return 503, f"no pod of {name} listens".encode()
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=10)
        try:
            connection.request("POST", "/")
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            return 503, f"{name}: {type(error).__name__}".encode()
        finally:
            connection.close()

    def work(self) -> None:
        """The controllers' loop."""
        while not self._over.is_set():
            self.look()
            self.clock.sleep(LOOK_SECONDS)

    def ask(self, gateway: str) -> None:
        """The client's loop, once something serves."""
        while not self._routed and not self._over.is_set():
            self.clock.sleep(ASK_SECONDS)
        while not self._over.is_set():
            connection = http.client.HTTPConnection(
                urllib.parse.urlsplit(gateway).netloc, timeout=10
            )
            try:
                connection.request("POST", "/")
                response = connection.getresponse()
                content, status = response.read(), response.status
            except (OSError, http.client.HTTPException) as error:
                content, status = type(error).__name__.encode(), 0
            connection.close()
            self.asked.requests += 1
            if status != 200:
                self.asked.failures.append(
                    f"{status} at {self.clock.now():.0f}: {content.decode()}"
                )
            self.clock.sleep(ASK_SECONDS)

    def close(self) -> None:
        self._over.set()

    def close_predictors(self) -> None:
        for _, opened in self._predictors.values():
            opened.close()


def predictor(version: str) -> type[BaseHTTPRequestHandler]:
    """Answers with its version."""

    class Handler(Answering):
        def do_POST(self) -> None:
            self.body()
            self.answer(200, version.encode())

    return Handler


@contextmanager
def live(lag: float) -> Iterator[LiveWorld]:
    """A cluster whose gateway lags, and a client that asks it until the end."""
    world = LiveWorld(lag)
    draws = random.Random(20261201)

    class Gateway(Answering):
        def do_POST(self) -> None:
            self.body()
            status, content = world.forward(draws.random())
            self.answer(status, content)

    with serving(Gateway) as gateway:
        threads = [
            threading.Thread(target=world.work),
            threading.Thread(target=world.ask, args=(gateway,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield world
        finally:
            world.close()
            for thread in threads:
                thread.join(30)
            world.close_predictors()
