"""What a decoded picture says about itself: its identity, four quality features and a perceptual hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

# Rows that the Laplacian looks at in one go, so that a 50-megapixel picture needs no copy in wider numbers.
STRIP_PIXELS = 1_000_000


@dataclass(frozen=True)
class Quality:
    """Features of the gray picture, levels 0 to 255.

    Attributes:
        brightness: mean level. contrast: standard deviation of the levels.
        sharpness: variance of the Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy").
        entropy: of the 256-bin histogram, in bits.
        perceptual_hash: 64-bit difference hash, 16 hex digits: bit (y, x) says whether level (y, x+1) is above (y, x)
            in the picture reduced to 9 by 8.
    """

    brightness: float
    contrast: float
    sharpness: float
    entropy: float
    perceptual_hash: str


def content_id(pixels: Pixels) -> str:
    """SHA-256 (hex) of decoded pixels and their shape: the same picture has one, however it was packed."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def example_id(content: str, key: str) -> str:
    """SHA-256 (hex) of a content id and the key of the row inside its source."""
    return hashlib.sha256(f"{content}\0{key}".encode()).hexdigest()


def quality(pixels: Pixels) -> Quality:
    """Measure uint8 pixels ``[h, w]`` or ``[h, w, 3]``."""
    image = Image.fromarray(pixels).convert("L")
    gray = np.asarray(image, dtype=np.uint8)
    counts = np.bincount(gray.ravel(), minlength=256)
    levels = np.arange(256)
    mean = float(counts @ levels) / gray.size
    variance = float(counts @ levels**2) / gray.size - mean**2
    shares = counts[counts > 0] / gray.size
    entropy = -float(shares @ np.log2(shares))
    return Quality(mean, max(variance, 0.0) ** 0.5, _sharpness(gray), abs(entropy), _difference_hash(image))


def _sharpness(gray: Pixels) -> float:
    height, width = gray.shape
    if height < 3 or width < 3:
        return 0.0
    total = squares = 0
    step = max(1, STRIP_PIXELS // width)
    for top in range(1, height - 1, step):
        part = gray[top - 1 : min(top + step, height - 1) + 1].astype(np.int32)
        middle = part[1:-1]
        edges = part[:-2, 1:-1] + part[2:, 1:-1] + middle[:, :-2] + middle[:, 2:] - 4 * middle[:, 1:-1]
        total += int(edges.sum(dtype=np.int64))
        squares += int((edges * edges).sum(dtype=np.int64))
    count = (height - 2) * (width - 2)
    return squares / count - (total / count) ** 2


def _difference_hash(image: Image.Image) -> str:
    small = np.asarray(image.resize((9, 8), Image.Resampling.BILINEAR))
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
