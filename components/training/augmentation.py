"""Random changes of training images, drawn for a whole epoch at once; the backend applies them batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.contracts.preset import Augmentation, ImageSpec

Floats = npt.NDArray[np.float32]
FULL_RANGE = 255.0


@dataclass(frozen=True)
class Changes:
    """What happens to n images.

    Attributes:
        transforms: float32 ``[n, 8]``, output pixel (x, y) to input pixel, the last two being 0:
            ``(a0 x + a1 y + a2, b0 x + b1 y + b2)`` as in TensorFlow's ImageProjectiveTransformV3.
        contrast: float32 ``[n]``, factor of the distance to the image's mean.
        brightness: float32 ``[n]``, added, in pixel values.
    """

    transforms: Floats
    contrast: Floats
    brightness: Floats

    def __getitem__(self, rows: slice) -> Changes:
        return Changes(self.transforms[rows], self.contrast[rows], self.brightness[rows])


def moves(augmentation: Augmentation) -> bool:
    """Whether any pixel changes its place."""
    return augmentation.flip or any((augmentation.rotation_degrees, augmentation.zoom, augmentation.shift))


def recolours(augmentation: Augmentation) -> bool:
    """Whether any pixel changes its value."""
    return any((augmentation.brightness, augmentation.contrast))


def draw(augmentation: Augmentation, image: ImageSpec, count: int, rng: np.random.Generator) -> Changes:
    """Draw the changes of ``count`` images: each amount uniform within its bounds, mirrored half of the time."""

    def spread(largest: float) -> npt.NDArray[np.float64]:
        return rng.uniform(-largest, largest, count)

    mirrored = np.where(rng.random(count) < 0.5, -1.0, 1.0) if augmentation.flip else np.ones(count)
    angle = np.radians(spread(augmentation.rotation_degrees))
    scale = 1 / (1 + spread(augmentation.zoom))
    right, down = spread(augmentation.shift) * image.width, spread(augmentation.shift) * image.height
    transforms = _about_centre(image, mirrored, angle, scale, right, down)
    contrast = 1 + spread(augmentation.contrast)
    return Changes(transforms, contrast.astype(np.float32), (spread(augmentation.brightness) * FULL_RANGE).astype(np.float32))


def _about_centre(
    image: ImageSpec,
    mirrored: npt.NDArray[np.float64],
    angle: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
    right: npt.NDArray[np.float64],
    down: npt.NDArray[np.float64],
) -> Floats:
    """Mirror, rotate and scale about the centre of the pixel grid, then shift: float32 ``[n, 8]``."""
    centre_x, centre_y = (image.width - 1) / 2, (image.height - 1) / 2
    a0, a1 = mirrored * scale * np.cos(angle), -mirrored * scale * np.sin(angle)
    b0, b1 = scale * np.sin(angle), scale * np.cos(angle)
    x, y = centre_x + right, centre_y + down
    nothing = np.zeros_like(angle)
    rows = (a0, a1, centre_x - a0 * x - a1 * y, b0, b1, centre_y - b0 * x - b1 * y, nothing, nothing)
    return np.stack(rows, axis=1).astype(np.float32)
