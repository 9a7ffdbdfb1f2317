"""A world in which a rollout runs in no time: clock, cluster, golden requests, registry."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from kubernetes import client

from components.deployment.manifest.inference_service import Served
from components.deployment.registry.promotion import GATE, promoted
from components.deployment.registry.registry import Registry
from components.deployment.rollout.driver import Tools, drive
from components.deployment.rollout.health import Sample
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster
from components.deployment.rollout.state import Rollout
from components.deployment.rollout.step import recorder, roll_out, wanted
from components.shared.findings import RolloutFindings
from components.shared.preset import RolloutPolicy, ServingPolicy
from components.shared.records import Pointers
from components.shared.store import keys
from components.shared.store.interface import changed_meanwhile
from tests.deployment.builders import signed, verdict_on
from tests.deployment.rollout.kserve import NAMESPACE, KServe

OLD, NEW, NEWER = "0" * 12, "1" * 12, "2" * 12
POLICY = RolloutPolicy(
    soak_seconds=10.0,
    ready_timeout_seconds=60.0,
    step_timeout_seconds=60.0,
    deadline_seconds=900.0,
    max_error_rate=0.05,
)


class Killed(BaseException):
    """The driver's process ends here."""


@dataclass
class Clock:
    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Answers:
    """How a version answers golden requests.

    `fails_at`, `slow_at`: from which percentage of the traffic on.
    """

    wrong: str = ""
    fails_at: int = 1000
    slow_at: int = 1000


@dataclass
class FakeProber:
    kserve: KServe
    answers: dict[str, Answers] = field(default_factory=dict)

    def smoke(self, rollout: Rollout) -> Sample:
        wrong = self.answers.get(rollout.new.version, Answers()).wrong
        return Sample(4, int(bool(wrong)), 0, (5.0,) * 4, (), wrong)

    def probe(self, rollout: Rollout, requests: int) -> Sample:
        answers = self.answers.get(rollout.new.version, Answers())
        errors = requests // 2 if rollout.percent >= answers.fails_at else 0
        milliseconds = 200.0 if rollout.percent >= answers.slow_at else 5.0
        return Sample(
            requests,
            errors,
            0,
            (milliseconds,) * requests,
            (6.0,) * requests,
            "HTTP 503: busy" if errors else "",
        )


class Rest:
    """The Kubernetes client's transport, without the socket."""

    def __init__(self, kserve: KServe) -> None:
        self.kserve = kserve
        self.dies_before: int | None = None

    def request(
        self,
        method: str,
        url: str,
        headers: Any = None,
        body: Any = None,
        post_params: Any = None,
        _request_timeout: Any = None,
    ) -> Any:
        if _request_timeout is None:
            raise AssertionError("every call needs a timeout")
        if self.dies_before is not None and self.kserve.calls >= self.dies_before:
            raise Killed
        status, answer = self.kserve.handle(
            method, url, headers or {}, json.loads(json.dumps(body))
        )
        return _Response(status, json.dumps(answer).encode())


class _Response:
    def __init__(self, status: int, data: bytes) -> None:
        self.status, self.reason, self.data = status, str(status), data
        self.headers = {"content-type": "application/json"}

    def read(self) -> bytes:
        return self.data

    def getheaders(self) -> dict[str, str]:
        return self.headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        return self.headers.get(name.lower(), default)


class MemoryStore:
    """What a registry needs of a store, without a disk."""

    uri = "gs://b"

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.writes = 0
        self.dies_before: int | None = None

    def read(self, key: str) -> bytes | None:
        return self.values.get(key)

    def write(self, key: str, content: bytes) -> None:
        if self.dies_before is not None and self.writes >= self.dies_before:
            raise Killed
        self.writes += 1
        self.values[key] = content

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        if self.read(key) != expected:
            raise changed_meanwhile(key, expected, self.read(key))
        self.write(key, content)

    def list(self, prefix: str) -> Any:
        return iter(sorted(key for key in self.values if key.startswith(f"{prefix}/")))

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def location(self, key: str) -> str:
        return f"{self.uri}/{key}"


class World:
    """Drives rollouts on one fake cluster with a real registry, and checks after each what must always hold."""

    def __init__(self, mode: str = "Standard", name: str = "faces") -> None:
        self.clock = Clock()
        self.kserve = KServe(self.clock.now)
        self.prober = FakeProber(self.kserve)
        self.store = MemoryStore()
        self.registry = Registry(self.store, name)  # type: ignore[arg-type]
        self.recorded: list[str | None] = []
        self.policy = ServingPolicy(namespace=NAMESPACE, mode=mode, rollout=POLICY)
        self.name = name
        self.rest = Rest(self.kserve)
        api = client.ApiClient(client.Configuration(host="http://fake"))
        api.rest_client = self.rest
        self.cluster = KubernetesCluster(api, NAMESPACE, name, sleep=self.clock.sleep)
        self.told: list[str] = []

    def served(self, version: str) -> Served:
        return Served(self.name, version, f"run-{version[0]}", f"gs://b/{version}")

    def wanted(self, version: str, **changes: Any) -> Rollout:
        return replace(wanted(self.served(version), self.policy), **changes)

    def tools(self) -> Tools:
        return Tools(self.cluster, self.prober, self.record, self.clock, self.told.append)

    def record(self, rollout: Rollout) -> None:
        self.recorded.append(rollout.serving.version if rollout.serving else None)
        recorder(self.registry)(rollout)

    @property
    def serving(self) -> str | None:
        pointer = self.registry.serving()
        return pointer.version if pointer else None

    @property
    def champion(self) -> str | None:
        pointer = self.registry.pointers().champion
        return pointer.version if pointer else None

    def promote(self, version: str, *, by_hand: bool = False) -> None:
        """Make it champion, as the deploy step or a person does.

        What was withdrawn only a person can.
        """
        self.store.write(f"{keys.version(self.name, version)}/model.json", b"{}")

        def crowned(now: Pointers) -> Pointers:
            stands = [
                pointer.version if pointer else None for pointer in (now.champion, now.anchor)
            ]
            if by_hand:
                now = replace(now, withdrawn=())
            verdict = verdict_on(version, *stands, better_than_anchor=True)
            return promoted(now, verdict, f"run-{version[0]}", signed(GATE), awaits_rollout=True)

        self.registry.change(crowned)

    def deploy(self, version: str, *, again: bool = False) -> RolloutFindings:
        """What the deploy step does, and with ``again`` a person."""
        withdrawn = self.registry.was_withdrawn(version, f"run-{version[0]}")
        if again or not withdrawn:
            self.promote(version, by_hand=again)
        if again:
            return drive(self.tools(), self.wanted(version), again=True)
        return roll_out(self.tools(), self.wanted(version), withdrawn=withdrawn)

    def resume(self) -> RolloutFindings:
        return drive(self.tools())

    def settle(self) -> None:
        for _ in range(5):
            self.clock.sleep(10)
            self.kserve.tick()

    def traffic(self) -> dict[str, int]:
        """Percent by version, as routed."""
        self.settle()
        return {
            self.kserve.workloads[name].version: weight
            for name, weight in self.kserve.weights.items()
            if weight
        }

    def check(self, proven: set[str], *, ended: bool = True) -> None:
        """The invariants; of a rollout that has ended also that the champion is what serves."""
        assert not self.kserve.violations, self.kserve.violations[:3]
        assert set(self.recorded) <= {*proven, None}, "the registry named an unproven version"
        assert self.traffic() == ({self.serving: 100} if self.serving else {}), (
            "the registry and the traffic disagree"
        )
        assert all(workload.restarts == 0 for workload in self.kserve.workloads.values()), (
            "pods were restarted"
        )
        now = self.registry.pointers()
        assert now.anchor is None or now.anchor.version in proven, "the anchor never served"
        assert now.anchor is None or now.anchor.version not in now.withdrawn, (
            "the anchor was sent back"
        )
        if ended:
            assert self.champion == self.serving, "the champion isn't what serves"
