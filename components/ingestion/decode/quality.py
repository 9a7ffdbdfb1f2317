"""What a decoded picture says about itself.

Its identity, four quality features and a perceptual hash.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from components.shared.images.decode import Pixels
from components.shared.images.features import Measures, StackMeasures, gray, measure, measure_stack
from components.shared.images.stacks import shrunk


@dataclass(frozen=True)
class Quality(Measures):
    """See `Measures`.

    Attributes:
        perceptual_hash: 64-bit difference hash, 16 hex digits: bit (y, x) says whether level (y,
            x+1) is above (y, x) in the picture reduced to 9 by 8.
    """

    perceptual_hash: str


def content_id(pixels: Pixels) -> str:
    """SHA-256 (hex) of decoded pixels and their shape.

    The same picture has one, however it was packed.
    """
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def example_id(content: str, key: str) -> str:
    """SHA-256 (hex) of a content id and the key of the row inside its source."""
    return hashlib.sha256(f"{content}\0{key}".encode()).hexdigest()


def quality(pixels: Pixels) -> Quality:
    """Measure uint8 pixels ``[h, w]`` or ``[h, w, 3]``."""
    levels = gray(pixels)
    return Quality(**asdict(measure(levels)), perceptual_hash=_difference_hash(levels))


def quality_stack(levels: Pixels) -> tuple[StackMeasures, list[str]]:
    """Measures and perceptual hashes of gray levels ``[n, h, w]``.

    Those that `quality` gives of each.
    """
    return measure_stack(levels), _difference_hashes(levels)


def _difference_hash(levels: Pixels) -> str:
    return _difference_hashes(levels[None])[0]


def _difference_hashes(levels: Pixels) -> list[str]:
    small = shrunk(levels, (8, 9), Image.Resampling.BILINEAR)
    bits = (small[:, :, 1:] > small[:, :, :-1]).reshape(len(levels), 64)
    return [row.tobytes().hex() for row in np.packbits(bits, axis=1)]
