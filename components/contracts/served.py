"""What is kept of a served picture: features and probabilities, never the picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServedRow:
    """One line of a file under `layout.served`.

    Attributes:
        at: UTC, ISO 8601. version: of the model that answered.
        label: that was answered. probabilities: by label.
        brightness, contrast, sharpness, entropy: as `components.images.measures` says.
        width, height: of the picture as received, upright.
    """

    at: str
    version: str
    label: str
    probabilities: dict[str, float]
    brightness: float
    contrast: float
    sharpness: float
    entropy: float
    width: int
    height: int
