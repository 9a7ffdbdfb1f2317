"""How a model is served and checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServingPolicy:
    """How the model is served and checked.

    Attributes:
        golden_images: test images, as received, that travel with the model.
        check_requests: timed requests of the serving check.
        namespace: where the InferenceService lives.
        min_replicas, max_replicas: autoscaling bounds.
    """

    golden_images: int = 64
    check_requests: int = 100
    namespace: str = "emotion"
    min_replicas: int = 1
    max_replicas: int = 4
