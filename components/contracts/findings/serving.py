"""What check-serving and deploy found."""

from __future__ import annotations

from dataclasses import dataclass

from components.contracts.night import Pointer


@dataclass(frozen=True)
class ServingMeasurement:
    """One served model over HTTP on one machine. Latencies in milliseconds, one image per request."""

    version: str
    cold_start_seconds: float
    p50_milliseconds: float
    p95_milliseconds: float
    requests_per_second: float
    resident_bytes: int
    model_bytes: int


@dataclass(frozen=True)
class ServingFindings:
    """check-serving: the real server, started as a separate process, answers the golden images."""

    golden_images: int
    golden_failures: int
    golden_max_difference: float
    challenger: ServingMeasurement
    champion: ServingMeasurement | None
    server: str


@dataclass(frozen=True)
class DeployFindings:
    """deploy: what the registry says now."""

    model_name: str
    version: str
    champion: Pointer
    previous: Pointer | None
    anchor: Pointer
    storage_uri: str
    manifest: str
