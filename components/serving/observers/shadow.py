"""Shadow mode.

Another predictor gets a copy of some requests, and its answers are compared and thrown away.
"""

from __future__ import annotations

import http.client

import numpy as np
from prometheus_client import Counter, Histogram

from components.serving.observers.observers import Answered, Observer
from components.shared.images.decode import Pixels, encode_png
from components.shared.predictor_client import Client
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
        self._client = Client(policy.url, policy.timeout_seconds)

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
        # What was answered is a crop of a face, also where it was found in a photo: the client says
        # that the shadow isn't to look for one in it.
        images = [_encoded(image) for image, _ in pairs]
        try:
            replies = self._client.ask(images, COPY_ID + answered.request_id[:ID_LENGTH])
        except (OSError, http.client.HTTPException, ValueError):
            COMPARED.labels("failed").inc(len(pairs))
            raise
        SECONDS.observe(replies[0].seconds)
        for (_, ours), reply in zip(pairs, replies, strict=True):
            _compare(ours, reply.probabilities)

    def close(self) -> None:
        """See `Observer.close`."""
        self._client.close()


def _compare(ours: dict[str, float], theirs: dict[str, float]) -> None:
    if not theirs:
        COMPARED.labels("failed").inc()
        return
    same = max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)
    COMPARED.labels("agreed" if same else "differed").inc()
    DIFFERENCE.observe(
        max(abs(ours.get(label, 0.0) - theirs.get(label, 0.0)) for label in {*ours, *theirs})
    )


def _encoded(image: bytes | Pixels) -> bytes:
    return encode_png(image) if isinstance(image, np.ndarray) else image
