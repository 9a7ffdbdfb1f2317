"""Shadow mode: another predictor gets a copy of some requests, and its answers are compared and thrown away."""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.parse
from collections.abc import Sequence
from typing import Any

import numpy as np
from prometheus_client import Counter, Histogram

from components.serving.observers.observers import Answered, Observer
from components.serving.predictor.classifier import Answer
from components.shared.images.decode import Pixels, encode_png
from components.shared.preset import ShadowPolicy

COMPARED = Counter(
    "emotion_shadow_images_total",
    "Images that the shadow answered as the champion did, otherwise, or not",
    ["outcome"],
)
DIFFERENCE = Histogram(
    "emotion_shadow_difference",
    "Largest difference of a probability between champion and shadow",
    buckets=(1e-4, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0),
)
SECONDS = Histogram("emotion_shadow_seconds", "How long the shadow took for a request")

COPY_ID = "shadow-"  # a copy's request id begins so, and a copy is never copied again
ID_LENGTH = 40


class Shadow(Observer):
    """Sends copies to a predictor over the V1 protocol, one request at a time on a kept connection.

    An image counts as agreed (the same label), differed, or failed. Images without an answer aren't
    sent.
    """

    name = "shadow"
    finishes = False

    def __init__(self, policy: ShadowPolicy) -> None:
        self.share = policy.share
        parts = urllib.parse.urlsplit(policy.url)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=policy.timeout_seconds
        )

    def see(self, answered: Answered) -> None:
        """Send the shadow a copy.

        Raises OSError or HTTPException when it doesn't answer, ValueError for what can't be read.
        """
        pairs = [
            (image, answer.probabilities)
            for image, answer in zip(answered.images, answered.answers, strict=True)
            if image is not None and answer.probabilities is not None
        ]
        if not pairs or answered.request_id.startswith(COPY_ID):
            return
        try:
            theirs = self._ask(
                [image for image, _ in pairs], COPY_ID + answered.request_id[:ID_LENGTH]
            )
            if len(theirs) != len(pairs):
                raise ValueError(f"{len(theirs)} answers to {len(pairs)} images")
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()  # opened again by the next request
            COMPARED.labels("failed").inc(len(pairs))
            raise
        for (_, ours), other in zip(pairs, theirs, strict=True):
            _compare(ours, other.probabilities)

    def close(self) -> None:
        """See `Observer.close`."""
        self._connection.close()

    def _ask(self, images: Sequence[bytes | Pixels], request_id: str) -> list[Answer]:
        # What was answered is a crop of a face, also where it was found in a photo: the shadow
        # isn't to look for one in it.
        instances = [{"image": {"b64": _encoded(image)}} for image in images]
        body = json.dumps({"instances": instances, "parameters": {"faces": False}}).encode()
        began = time.perf_counter()
        self._connection.request(
            "POST",
            self._path,
            body,
            {"Content-Type": "application/json", "X-Request-Id": request_id},
        )
        response = self._connection.getresponse()
        content = response.read()
        SECONDS.observe(time.perf_counter() - began)
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}: {content[:200]!r}")
        return _read(content)


def _compare(ours: dict[str, float], theirs: dict[str, float] | None) -> None:
    if not theirs:
        COMPARED.labels("failed").inc()
        return
    same = max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)
    COMPARED.labels("agreed" if same else "differed").inc()
    DIFFERENCE.observe(
        max(abs(ours.get(label, 0.0) - theirs.get(label, 0.0)) for label in {*ours, *theirs})
    )


def _encoded(image: bytes | Pixels) -> str:
    return base64.b64encode(encode_png(image) if isinstance(image, np.ndarray) else image).decode()


def _read(content: bytes) -> list[Answer]:
    """Return the shadow's answers. Raises ValueError for anything else."""
    try:
        predictions: list[dict[str, Any]] = json.loads(content)["predictions"]
        return [
            Answer(
                probabilities={
                    str(label): float(value)
                    for label, value in (prediction.get("probabilities") or {}).items()
                }
            )
            for prediction in predictions
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"an answer that isn't the V1 protocol's ({type(error).__name__})"
        ) from error
