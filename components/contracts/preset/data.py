"""What becomes of a source: labels, image, splits, duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.contracts.labels import taxonomy
from components.contracts.preset.checks import require


@dataclass(frozen=True)
class ImageSpec:
    """What a model takes: uint8 pixels ``[height, width, channels]``."""

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        require(8 <= self.height <= 1024 and 8 <= self.width <= 1024, "image size", "8 to 1024 pixels a side", (self.height, self.width))
        require(self.channels in (1, 3), "image channels", "1 (gray) or 3 (colour)", self.channels)


@dataclass(frozen=True)
class DataPolicy:
    """How a source becomes examples.

    Attributes:
        taxonomy: name in `components.contracts.labels.TAXONOMIES`.
        image: what the model takes.
        test_share: share of content groups in the test split where the source publishes none.
        validation_share: share of training groups held out for early stopping and calibration.
        test_twins: what happens to a training row whose content also stands in test.
    """

    taxonomy: str
    image: ImageSpec
    test_share: float = 0.2
    validation_share: float = 0.1
    test_twins: Literal["leave-training", "keep"] = "leave-training"

    def __post_init__(self) -> None:
        taxonomy(self.taxonomy)
        require(0 < self.test_share < 0.9, "test_share", "between 0 and 0.9", self.test_share)
        require(0 < self.validation_share < 0.5, "validation_share", "between 0 and 0.5", self.validation_share)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the model's outputs."""
        return taxonomy(self.taxonomy).labels
