"""How a model is served, checked and rolled out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from components.shared.preset.checks import require


@dataclass(frozen=True)
class RolloutPolicy:
    """How traffic moves to a new version on a cluster, and what sends it back.

    Attributes:
        steps: percent of the traffic that the new version gets, one after the other; 100 is the
            last.
        soak_seconds: how long each step is watched at least.
        max_error_rate: the 95 % upper bound of the error rate must fall to this before the next
            step. Without an error that takes 3 / max_error_rate requests.
        max_latency_ratio, latency_slack_milliseconds: the new version's p95 may be this many times
            the old one's, plus the slack.
        golden_tolerance: largest difference of a probability from the one in the model artifact.
        ready_timeout_seconds: how long the new version may take to be ready, or a change of traffic
            to be seen.
        step_timeout_seconds: how long a step may take to show what it must.
        deadline_seconds: of one attempt to drive the rollout; when it is over, the traffic goes
            back.
        poll_seconds: between two looks at the cluster.
    """

    steps: tuple[int, ...] = (10, 50, 100)
    soak_seconds: float = 60.0
    max_error_rate: float = 0.01
    max_latency_ratio: float = 1.5
    latency_slack_milliseconds: float = 20.0
    golden_tolerance: float = 1e-4
    ready_timeout_seconds: float = 600.0
    step_timeout_seconds: float = 900.0
    deadline_seconds: float = 3600.0
    poll_seconds: float = 5.0

    def __post_init__(self) -> None:
        rising = (
            bool(self.steps)
            and list(self.steps) == sorted(set(self.steps))
            and self.steps[0] > 0
            and self.steps[-1] == 100
        )
        require(rising, "rollout.steps", "rising percentages that end with 100", self.steps)
        require(
            0 < self.max_error_rate < 1,
            "rollout.max_error_rate",
            "between 0 and 1",
            self.max_error_rate,
        )
        require(
            self.max_latency_ratio >= 1,
            "rollout.max_latency_ratio",
            "at least 1",
            self.max_latency_ratio,
        )
        require(
            self.golden_tolerance > 0, "rollout.golden_tolerance", "above 0", self.golden_tolerance
        )
        require(self.poll_seconds > 0, "rollout.poll_seconds", "above 0", self.poll_seconds)

    @property
    def drive_seconds(self) -> float:
        """The longest that one attempt to drive the rollout goes on.

        The deadline, then the way back.
        """
        return self.deadline_seconds + self.ready_timeout_seconds


@dataclass(frozen=True)
class ShadowPolicy:
    """Another predictor that gets a copy of some requests.

    Its answers are compared and thrown away.

    Attributes:
        url: of its model, as ``http://host:port/v1/models/<name>:predict``.
        share: of the requests that are copied.
        timeout_seconds: for one answer of the shadow.
    """

    url: str
    share: float = 0.1
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        address = re.fullmatch(
            r"http://[A-Za-z0-9.-]+(:\d+)?/v1/models/[A-Za-z0-9._-]+:predict", self.url
        )
        require(
            address is not None, "shadow.url", "http://host:port/v1/models/<name>:predict", self.url
        )
        require(0 < self.share <= 1, "shadow.share", "above 0, at most 1", self.share)
        require(self.timeout_seconds > 0, "shadow.timeout_seconds", "above 0", self.timeout_seconds)


@dataclass(frozen=True)
class PayloadPolicy:
    """What the predictor keeps of its requests, for drift.

    Features and probabilities, never a picture.

    Attributes:
        share: of the requests that are kept.
        rows: at most in one file of the store; a file is also finished after ``seconds``, and at
            the end.
    """

    share: float = 0.1
    rows: int = 1000
    seconds: float = 300.0

    def __post_init__(self) -> None:
        require(0 < self.share <= 1, "payload.share", "above 0, at most 1", self.share)
        require(self.rows >= 1, "payload.rows", "1 or more", self.rows)
        require(self.seconds > 0, "payload.seconds", "above 0", self.seconds)


@dataclass(frozen=True)
class ServingPolicy:
    """How the model is served and checked.

    Attributes:
        golden_images: test images, as received, that travel with the model.
        check_requests: timed requests of the serving check.
        namespace: where the InferenceService lives.
        min_replicas, max_replicas: autoscaling bounds.
        mode: KServe's deployment mode. Standard splits traffic in Gateway API routes, Knative
            between revisions.
        cpu, memory: limits of one predictor, as Kubernetes quantities. cpu_request, memory_request:
            what it is promised.
        gpus: of one predictor; 0 serves on the CPU.
        service_account: whose identity reads the model from the bucket.
        rollout: how a promoted version reaches the traffic; None leaves it at the manifest.
        shadow: the predictor that copies of requests go to; None for none.
        payload: what is kept of requests for `emotion drift`; None keeps nothing.
        public_key: Ed25519, 32 bytes in base64: only versions that its holder signed are let in and
            served; empty for any.
        faces: requests hold photos: the predictor finds the faces and answers each. Off, each image
            is a crop of a face.
    """

    golden_images: int = 64
    check_requests: int = 100
    namespace: str = "emotion"
    min_replicas: int = 1
    max_replicas: int = 4
    mode: Literal["Standard", "Knative"] = "Standard"
    cpu: str = "1"
    memory: str = "1Gi"
    cpu_request: str = "250m"
    memory_request: str = "512Mi"
    gpus: int = 0
    service_account: str = "emotion-predictor"
    rollout: RolloutPolicy | None = None
    shadow: ShadowPolicy | None = None
    payload: PayloadPolicy | None = None
    public_key: str = ""
    faces: bool = False

    def __post_init__(self) -> None:
        require(
            1 <= self.min_replicas <= self.max_replicas,
            "serving.min_replicas",
            "1 to max_replicas",
            self.min_replicas,
        )
        require(self.gpus >= 0, "serving.gpus", "0 or more", self.gpus)
        key = self.public_key
        require(
            key == "" or re.fullmatch(r"[A-Za-z0-9+/]{43}=", key) is not None,
            "serving.public_key",
            "32 bytes in base64",
            key,
        )
        for what, name in (
            ("serving.namespace", self.namespace),
            ("serving.service_account", self.service_account),
        ):
            require(
                re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) is not None,
                what,
                "a Kubernetes name",
                name,
            )
        for what, quantity in (("cpu", self.cpu), ("cpu_request", self.cpu_request)):
            require(
                re.fullmatch(r"\d+(\.\d+)?|\d+m", quantity) is not None,
                f"serving.{what}",
                "CPUs, as 1, 0.5 or 500m",
                quantity,
            )
        for what, quantity in (("memory", self.memory), ("memory_request", self.memory_request)):
            require(
                re.fullmatch(r"\d+[KMG]i?", quantity) is not None,
                f"serving.{what}",
                "bytes, as 512Mi or 1G",
                quantity,
            )

    @property
    def cpus(self) -> float:
        """``cpu`` as a number."""
        return int(self.cpu[:-1]) / 1000 if self.cpu.endswith("m") else float(self.cpu)

    @property
    def memory_bytes(self) -> int:
        """``memory`` as a number."""
        letters = self.memory.lstrip("0123456789")
        return int(self.memory.removesuffix(letters)) * (
            1024 if letters.endswith("i") else 1000
        ) ** ("KMG".index(letters[0]) + 1)
