"""What becomes of a source: labels, image, splits, duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.shared.labels import taxonomy
from components.shared.preset.checks import require
from components.shared.preset.sources import Source, VotesPolicy


@dataclass(frozen=True)
class ImageSpec:
    """What a model takes: uint8 pixels ``[height, width, channels]``.

    Attributes:
        resize: how a picture of another shape gets there: stretch to it, fit whole into it on
            black, or crop its middle.
        crop_margin: what is added left and right of a face that a detector finds in a photo, as a
            share of its box's width, so that the crop shows what the model was trained on. The
            default fits FER2013: the same detector finds boxes of 84 % of its pictures' width
                (median of 240).
    """

    height: int
    width: int
    channels: int
    resize: Literal["stretch", "fit", "crop"] = "stretch"
    crop_margin: float = 0.1

    def __post_init__(self) -> None:
        require(0 <= self.crop_margin <= 2, "image crop_margin", "0 to 2", self.crop_margin)
        require(
            8 <= self.height <= 1024 and 8 <= self.width <= 1024,
            "image size",
            "8 to 1024 pixels a side",
            (self.height, self.width),
        )
        require(self.channels in (1, 3), "image channels", "1 (gray) or 3 (colour)", self.channels)


# What becomes of some rows: kept; dropped from every split; or left out of training (and of what is
# held out of it), but not of a test split. Whatever leaves stays in the artifact as left out, with
# its reason.
Treatment = Literal["keep", "drop", "leave-training"]


@dataclass(frozen=True)
class DataPolicy:
    """How a source becomes examples.

    Attributes:
        taxonomy: name in `components.shared.labels.TAXONOMIES`.
        image: what the model takes.
        test_share: share of content groups in the test split where the source publishes none.
        validation_share: share of training groups held out for early stopping and calibration.
        test_twins: what happens to a training row whose content, or a near duplicate of it, also
            stands in test.
        exact_copies: rows beyond the first of a content. near_duplicates: contents beyond the first
            of a group.
        label_conflicts: every row of a content that carries several labels.
        near_constant: pictures whose levels deviate by less than ``min_contrast`` (standard
            deviation, of 0 to 255).
        min_contrast: the default lies in a gap of FER2013. Its 32,298 pictures have, from the least
            on, twelve times 0, then 0.6, 4.1, 9.1, 11.7, 13.9 and from 15.1 on one close upon
            another. The first fourteen show nothing, the others dark or pale faces. Counted: 12
            below 0.5, 13 below 1 to 4, 14 below 5 to 9, 15 below 10, 16 below 12, 17 below 15.
        sources: what is joined where a run names no source of its own.
        votes: take the labels from a table of votes that comes with the source.
    """

    taxonomy: str
    image: ImageSpec
    test_share: float = 0.2
    validation_share: float = 0.1
    test_twins: Literal["leave-training", "keep"] = "leave-training"
    exact_copies: Treatment = "keep"
    near_duplicates: Treatment = "keep"
    label_conflicts: Treatment = "leave-training"
    near_constant: Treatment = "leave-training"
    min_contrast: float = 6.0
    sources: tuple[Source, ...] = ()
    votes: VotesPolicy | None = None

    def __post_init__(self) -> None:
        known = taxonomy(self.taxonomy)
        require(0 < self.test_share < 0.9, "test_share", "between 0 and 0.9", self.test_share)
        require(
            0 < self.validation_share < 0.5,
            "validation_share",
            "between 0 and 0.5",
            self.validation_share,
        )
        require(
            0 <= self.min_contrast < 128, "min_contrast", "0 to 128 gray levels", self.min_contrast
        )
        for source in self.sources:
            known.with_classes(source.classes)
        uris = [source.uri for source in self.sources]
        require(len(set(uris)) == len(uris), "sources", "each source once", uris)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the model's outputs."""
        return taxonomy(self.taxonomy).labels
