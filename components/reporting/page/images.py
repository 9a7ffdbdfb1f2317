"""The images that the page shows.

Only what is an image, and only as many as keep the page small.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from components.reporting.evidence import Night
from components.shared.findings import DoubtfulLabel, SamplePrediction

# An image inside evidence is shown only as what it must be: base64 of a raster image.
IMAGE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")
MAX_CHARACTERS = 3_000_000
MAX_THUMBNAILS = 8
MAX_PREDICTIONS = 28
MAX_DOUBTFUL = 28


@dataclass
class _Budget:
    """How many characters of images the page may still hold."""

    left: int = MAX_CHARACTERS

    def admit(self, image: str) -> str:
        """Return the image, or nothing when it isn't one or the page is full."""
        if len(image) > self.left or not IMAGE.fullmatch(image):
            return ""
        self.left -= len(image)
        return image


@dataclass(frozen=True)
class Pictures:
    """What is left of the evidence's images; one without a picture keeps its words.

    Attributes:
        gained, lost: images that only the challenger, and only the champion, got right.
        faces: a few per label.
    """

    gained: tuple[SamplePrediction, ...]
    lost: tuple[SamplePrediction, ...]
    samples: tuple[SamplePrediction, ...]
    doubtful: tuple[DoubtfulLabel, ...]
    faces: dict[str, list[str]]


def pictures(night: Night) -> Pictures:
    """Return the page's images, those first that tell most."""
    budget = _Budget()
    evaluated, noise = night.evaluate, night.validate.label_noise if night.validate else None

    def shown(predictions: Iterable[SamplePrediction]) -> tuple[SamplePrediction, ...]:
        return tuple(
            replace(each, image=budget.admit(each.image))
            for each in list(predictions)[:MAX_PREDICTIONS]
        )

    gained, lost = (shown(evaluated.gained), shown(evaluated.lost)) if evaluated else ((), ())
    doubted = noise.most_doubtful[:MAX_DOUBTFUL] if noise else ()
    doubtful = tuple(replace(each, image=budget.admit(each.image)) for each in doubted)
    samples = shown(evaluated.samples) if evaluated else ()
    faces = {}
    for label, images in (night.ingest.thumbnails if night.ingest else {}).items():
        faces[label] = [
            image for image in (budget.admit(image) for image in images[:MAX_THUMBNAILS]) if image
        ]
    return Pictures(
        gained,
        lost,
        samples,
        doubtful,
        {label: images for label, images in faces.items() if images},
    )
