"""Four measures of a picture's quality: what ingestion writes down of each row, and serving of each sampled request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from components.images.decode import Pixels

# Rows that the Laplacian looks at in one go, so that a 50-megapixel picture needs no copy in wider numbers.
STRIP_PIXELS = 1_000_000


@dataclass(frozen=True)
class Measures:
    """Of the gray picture, levels 0 to 255.

    Attributes:
        brightness: mean level. contrast: standard deviation of the levels.
        sharpness: variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy").
        entropy: of the 256-bin histogram, in bits.
    """

    brightness: float
    contrast: float
    sharpness: float
    entropy: float


def gray(pixels: Pixels) -> Pixels:
    """Gray levels uint8 ``[h, w]`` of ``[h, w]``, ``[h, w, 1]`` or ``[h, w, 3]``."""
    squeezed = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    return np.asarray(Image.fromarray(squeezed).convert("L"), dtype=np.uint8)


def measure(levels: Pixels) -> Measures:
    """Measure gray levels uint8 ``[h, w]``."""
    counts = np.bincount(levels.ravel(), minlength=256)
    values = np.arange(256)
    mean = float(counts @ values) / levels.size
    variance = float(counts @ values**2) / levels.size - mean**2
    shares = counts[counts > 0] / levels.size
    entropy = -float(shares @ np.log2(shares))
    return Measures(mean, max(variance, 0.0) ** 0.5, _sharpness(levels), abs(entropy))


def _sharpness(levels: Pixels) -> float:
    height, width = levels.shape
    if height < 3 or width < 3:
        return 0.0
    total = squares = 0
    step = max(1, STRIP_PIXELS // width)
    for top in range(1, height - 1, step):
        part = levels[top - 1 : min(top + step, height - 1) + 1].astype(np.int32)
        middle = part[1:-1]
        edges = part[:-2, 1:-1] + part[2:, 1:-1] + middle[:, :-2] + middle[:, 2:] - 4 * middle[:, 1:-1]
        total += int(edges.sum(dtype=np.int64))
        squares += int((edges * edges).sum(dtype=np.int64))
    count = (height - 2) * (width - 2)
    return squares / count - (total / count) ** 2
