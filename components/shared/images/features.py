"""Four measures of a picture's quality.

What ingestion writes down of each row, and serving of each sampled request.

Pictures of one size are measured as a stack, many at once. What a picture measures doesn't depend
on those beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.shared.images.decode import Pixels

# Pixels that are looked at in one go, so that neither a stack nor a 50-megapixel picture needs a
# copy in wider numbers.
STRIP_PIXELS = 1_000_000

Figures = npt.NDArray[np.float64]

_POWERS = np.arange(256.0)[:, None] ** [1, 2]  # of each level


@dataclass(frozen=True)
class Measures:
    """Of the gray picture, levels 0 to 255.

    Attributes:
        brightness: mean level. contrast: standard deviation of the levels.
        sharpness: variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in
            brightfield microscopy").
        entropy: of the 256-bin histogram, in bits.
    """

    brightness: float
    contrast: float
    sharpness: float
    entropy: float


class StackMeasures(NamedTuple):
    """`Measures` of many pictures, float64 ``[n]`` each."""

    brightness: Figures
    contrast: Figures
    sharpness: Figures
    entropy: Figures


def gray(pixels: Pixels) -> Pixels:
    """Gray levels uint8 ``[h, w]`` of ``[h, w]``, ``[h, w, 1]`` or ``[h, w, 3]``."""
    squeezed = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    return (
        squeezed
        if squeezed.ndim == 2
        else np.asarray(Image.fromarray(squeezed).convert("L"), dtype=np.uint8)
    )


def measure(levels: Pixels) -> Measures:
    """Measure gray levels uint8 ``[h, w]``."""
    return Measures(*(float(figures[0]) for figures in measure_stack(levels[None])))


def measure_stack(levels: Pixels) -> StackMeasures:
    """Measure gray levels uint8 ``[n, h, w]``."""
    count = max(1, STRIP_PIXELS // (levels.shape[1] * levels.shape[2]))
    parts = [_measured(levels[start : start + count]) for start in range(0, len(levels), count)]
    return (
        parts[0]
        if len(parts) == 1
        else StackMeasures(*(np.concatenate(figures) for figures in zip(*parts, strict=True)))
    )


def _measured(levels: Pixels) -> StackMeasures:
    pixels = levels.shape[1] * levels.shape[2]
    counts = _histograms(levels).astype(
        np.float64
    )  # whole numbers still, so every order of adding them gives the same
    mean, square = (counts @ _POWERS / pixels).T
    shares = counts / pixels
    entropy = np.abs((shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=1))
    return StackMeasures(
        mean, np.sqrt(np.maximum(square - mean**2, 0.0)), _sharpness(levels), entropy
    )


def _histograms(levels: Pixels) -> npt.NDArray[np.int64]:
    """How often each level stands in each picture: ``[n, 256]``."""
    n = len(levels)
    if n == 1:
        return np.bincount(levels.ravel(), minlength=256)[None]
    flat = levels.reshape(n, -1) + np.arange(0, 256 * n, 256, dtype=np.int64)[:, None]
    return np.bincount(flat.ravel(), minlength=256 * n).reshape(n, 256)


def _sharpness(levels: Pixels) -> Figures:
    n, height, width = levels.shape
    if height < 3 or width < 3:
        return np.zeros(n)
    total = np.zeros(n, np.int64)
    squares = np.zeros(n, np.int64)
    step = max(1, STRIP_PIXELS // (n * width))
    for top in range(1, height - 1, step):
        part = levels[:, top - 1 : min(top + step, height - 1) + 1].astype(np.int16)
        middle = part[:, 1:-1]
        edges = (
            part[:, :-2, 1:-1]
            + part[:, 2:, 1:-1]
            + middle[:, :, :-2]
            + middle[:, :, 2:]
            - 4 * middle[:, :, 1:-1]
        )
        total += edges.sum(axis=(1, 2), dtype=np.int64)
        squares += np.square(edges, dtype=np.int32).sum(axis=(1, 2), dtype=np.int64)
    count = (height - 2) * (width - 2)
    return squares / count - (total / count) ** 2
