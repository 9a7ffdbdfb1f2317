"""What check-serving and deploy found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.shared.run_plan import Pointer


@dataclass(frozen=True)
class ServingMeasurement:
    """One served model over HTTP on one machine. Latencies in milliseconds, one image per request.

    Attributes:
        resident_bytes: memory that its server held after the requests. peak_bytes: the most that it
            ever held.
    """

    version: str
    cold_start_seconds: float
    p50_milliseconds: float
    p95_milliseconds: float
    requests_per_second: float
    resident_bytes: int
    model_bytes: int
    peak_bytes: int = 0


@dataclass(frozen=True)
class ServingFindings:
    """check-serving: the real server, started as a separate process, answers the golden images.

    Attributes:
        p95_ratio: 95th percentile of the challenger's latency over the champion's; 0 where there is
            no champion.
        p95_ratio_interval: of that ratio, 90 %, two-sided, by resampling the interleaved pairs of
            requests.
        cpus, memory_limit_bytes: that each server had, as the preset gives them to the predictor's
            container.
    """

    golden_images: int
    golden_failures: int
    golden_max_difference: float
    challenger: ServingMeasurement
    champion: ServingMeasurement | None
    server: str
    p95_ratio: float = 0.0
    p95_ratio_interval: tuple[float, ...] = ()
    cpus: float = 0.0
    memory_limit_bytes: int = 0


@dataclass(frozen=True)
class RegisterFindings:
    """register: a version that waits in the registry for a person to decide."""

    model_name: str
    version: str
    storage_uri: str


@dataclass(frozen=True)
class RolloutStep:
    """One step of the traffic, as it was watched.

    Attributes:
        percent: of the traffic that the new version got; 0 is the smoke test, before any.
        requests, errors: of this step, live ones and golden ones together.
        live_requests: how many of them users sent.
        error_rate_bound: 95 % upper bound of the error rate.
        p95_milliseconds, previous_p95_milliseconds: of golden requests, sent in turn; None where
            there was none.
    """

    percent: int
    seconds: float
    requests: int
    errors: int
    live_requests: int
    error_rate_bound: float
    p95_milliseconds: float | None = None
    previous_p95_milliseconds: float | None = None


@dataclass(frozen=True)
class RolloutFindings:
    """How a version's way to the traffic ended.

    Attributes:
        outcome: serving: all the traffic is the new version's. rolled-back: the previous version
            has it again. paused: a person stopped it halfway.
        serving: version that has the traffic; None when nothing serves.
        percent: of the traffic that the new version has now.
        reason: why it ended so, in words.
        image, previous_image: of the predictor that was rolled out, and of the one before; empty
            where there was none, or it isn't recorded. A rollout of another image of the version
            that serves already shows in these alone.
    """

    outcome: Literal["serving", "rolled-back", "paused"]
    version: str
    serving: str | None
    percent: int
    reason: str
    steps: tuple[RolloutStep, ...]
    seconds: float
    image: str = ""
    previous_image: str = ""


@dataclass(frozen=True)
class DeployFindings:
    """deploy: what the registry says now.

    Attributes:
        champion: None where the rollout sent back the first one.
        rollout: how the version's way to the traffic ended; None where the preset names no rollout.
    """

    model_name: str
    version: str
    champion: Pointer | None
    previous: Pointer | None
    anchor: Pointer | None
    storage_uri: str
    manifest: str
    rollout: RolloutFindings | None = None
