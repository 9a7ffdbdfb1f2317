"""Random changes of training images.

Drawn for a whole epoch at once with NumPy, applied batch by batch in the graph.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from components.shared.preset import Augmentation, ImageSpec

Floats = npt.NDArray[np.float32]
Tensor = Any  # of whichever backend Keras runs on
FULL_RANGE = 255.0
# Area and shape of an erased rectangle (Zhong et al. 2020, section 3: s_l, s_h, r_1).
ERASED_AREA, ERASED_ASPECT = (0.02, 0.33), 0.3


@dataclass(frozen=True)
class Changes:
    """What happens to n images; every field has n rows.

    Attributes:
        transforms: float32 ``[n, 8]``, output pixel (x, y) to input pixel, the last two being 0:
            ``(a0 x + a1 y + a2, b0 x + b1 y + b2)`` as in Keras's affine_transform.
        contrast: float32 ``[n]``, factor of the distance to the image's mean.
        brightness: float32 ``[n]``, added, in pixel values.
        noise: float32 ``[n]``, standard deviation of Gaussian noise, in pixel values.
        erased: float32 ``[n, 5]``, a rectangle (top, bottom, left, right, in pixels; empty for
            most) and its gray value.
        mix: float32 ``[n]``, share of the image itself where it is mixed with another of its batch.
    """

    transforms: Floats
    contrast: Floats
    brightness: Floats
    noise: Floats
    erased: Floats
    mix: Floats

    def __getitem__(self, rows: slice) -> Changes:
        return Changes(*(part[rows] for part in self.parts()))

    def parts(self) -> tuple[Floats, ...]:
        """Return the fields, in order."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def where(self, rows: npt.NDArray[np.bool_], others: Changes) -> Changes:
        """Return these changes, and ``others`` for the rows that are True."""
        pairs = zip(self.parts(), others.parts(), strict=True)
        return Changes(
            *(
                np.where(rows.reshape(-1, *[1] * (mine.ndim - 1)), theirs, mine)
                for mine, theirs in pairs
            )
        )


def draw(
    augmentation: Augmentation, image: ImageSpec, count: int, rng: np.random.Generator
) -> Changes:
    """Draw the changes of ``count`` images.

    Each amount uniform within its bounds, mirrored half of the time.
    """

    def spread(largest: float) -> npt.NDArray[np.float64]:
        return rng.uniform(-largest, largest, count)

    mirrored = np.where(rng.random(count) < 0.5, -1.0, 1.0) if augmentation.flip else np.ones(count)
    angle = np.radians(spread(augmentation.rotation_degrees))
    scale = 1 / (1 + spread(augmentation.zoom))
    right, down = (
        _whole_pixels(augmentation.shift * side, count, rng) for side in (image.width, image.height)
    )
    return Changes(
        transforms=_about_centre(image, mirrored, angle, scale, right, down),
        contrast=(1 + spread(augmentation.contrast)).astype(np.float32),
        brightness=(spread(augmentation.brightness) * FULL_RANGE).astype(np.float32),
        noise=(rng.uniform(0, augmentation.noise, count) * FULL_RANGE).astype(np.float32),
        erased=_rectangles(augmentation.erasing, image, count, rng),
        mix=(
            rng.beta(augmentation.mixup, augmentation.mixup, count)
            if augmentation.mixup
            else np.ones(count)
        ).astype(np.float32),
    )


def changed(
    pixels: Tensor, changes: Changes, augmentation: Augmentation, seed: keras.random.SeedGenerator
) -> Tensor:
    """Return changed images, float32 ``[n, h, w, c]`` from 0 to 255.

    What leaves the frame is filled with the nearest edge.

    Args:
        pixels: float32 ``[n, h, w, c]`` from 0 to 255. changes: of these n images, drawn from
            ``augmentation`` or weaker ones: what is switched off in it isn't computed.
        seed: of the noise.
    """
    if _moves(augmentation):
        pixels = ops.image.affine_transform(
            pixels, changes.transforms, "bilinear", "nearest", data_format="channels_last"
        )
    if augmentation.contrast or augmentation.brightness:
        mean = ops.mean(pixels, axis=(1, 2, 3), keepdims=True)
        pixels = (
            (pixels - mean) * _per_image(changes.contrast) + mean + _per_image(changes.brightness)
        )
    if augmentation.noise:
        pixels = pixels + keras.random.normal(ops.shape(pixels), seed=seed) * _per_image(
            changes.noise
        )
    if augmentation.erasing:
        pixels = _erase(pixels, changes.erased)
    if augmentation.contrast or augmentation.brightness or augmentation.noise:
        pixels = ops.clip(pixels, 0.0, FULL_RANGE)
    if augmentation.mixup:
        pixels = mixed(pixels, _per_image(changes.mix))
    return pixels


def mixed(values: Tensor, share: Tensor) -> Tensor:
    """``share`` of each row and the rest of its partner, the row as far from the batch's end as it is from the start.

    Rows come shuffled, so that partner is a random one (Zhang et al. 2018, "mixup", section 2).
    """
    return values * share + ops.flip(values, axis=0) * (1 - share)


def together(one: Augmentation, other: Augmentation) -> Augmentation:
    """Return an augmentation with everything switched on that either of them has."""
    pairs = (
        (field.name, getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(one)
    )
    return Augmentation(**{name: max(mine, theirs) for name, mine, theirs in pairs})


def _moves(augmentation: Augmentation) -> bool:
    return augmentation.flip or any(
        (augmentation.rotation_degrees, augmentation.zoom, augmentation.shift)
    )


def _per_image(values: Tensor) -> Tensor:
    return ops.reshape(values, (-1, 1, 1, 1))


def _erase(pixels: Tensor, erased: Tensor) -> Tensor:
    height, width = pixels.shape[1:3]
    top, bottom, left, right, gray = (_per_image(erased[:, index]) for index in range(5))
    rows, columns = (
        ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1, 1)),
        ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1, 1)),
    )
    inside = ops.logical_and(
        ops.logical_and(rows >= top, rows < bottom),
        ops.logical_and(columns >= left, columns < right),
    )
    return ops.where(inside, gray, pixels)


def _whole_pixels(largest: float, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Whole pixels up to ``largest`` either way: half a pixel would only blur."""
    return rng.integers(-int(largest), int(largest), count, endpoint=True).astype(np.float64)


def _rectangles(share: float, image: ImageSpec, count: int, rng: np.random.Generator) -> Floats:
    """Rectangles within the image, empty in all but ``share`` of the rows; float32 ``[n, 5]``."""
    area = rng.uniform(*ERASED_AREA, count) * image.height * image.width
    aspect = np.exp(rng.uniform(np.log(ERASED_ASPECT), -np.log(ERASED_ASPECT), count))
    tall = np.minimum(np.round(np.sqrt(area * aspect)), image.height)
    wide = np.minimum(np.round(np.sqrt(area / aspect)), image.width)
    top, left = (
        np.floor(rng.random(count) * (image.height - tall + 1)),
        np.floor(rng.random(count) * (image.width - wide + 1)),
    )
    gray = rng.uniform(0, FULL_RANGE, count)
    chosen = rng.random(count) < share
    rectangles = np.stack([top, top + tall * chosen, left, left + wide * chosen, gray], axis=1)
    return rectangles.astype(np.float32)


def _about_centre(
    image: ImageSpec,
    mirrored: npt.NDArray[np.float64],
    angle: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
    right: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
) -> Floats:
    """Mirror, rotate and scale about the centre of the pixel grid, then shift.

    float32 ``[n, 8]``.
    """
    centre_x, centre_y = (image.width - 1) / 2, (image.height - 1) / 2
    a0, a1 = mirrored * scale * np.cos(angle), -mirrored * scale * np.sin(angle)
    b0, b1 = scale * np.sin(angle), scale * np.cos(angle)
    x, y = centre_x + right, centre_y + down
    nothing = np.zeros_like(angle)
    rows = (
        a0,
        a1,
        centre_x - a0 * x - a1 * y,
        b0,
        b1,
        centre_y - b0 * x - b1 * y,
        nothing,
        nothing,
    )
    return np.stack(rows, axis=1).astype(np.float32)
