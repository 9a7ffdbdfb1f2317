"""Pictures of one size, many at once.

The same levels as one after the other, in a fraction of the calls.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from components.shared.images.decode import Pixels


def gray_stack(pixels: Pixels) -> Pixels:
    """Gray levels uint8 ``[n, h, w]`` of ``[n, h, w]`` or ``[n, h, w, 3]``."""
    if pixels.ndim == 3:
        return pixels
    n, height, width, _ = pixels.shape
    return np.asarray(
        Image.fromarray(pixels.reshape(n * height, width, 3)).convert("L"), np.uint8
    ).reshape(n, height, width)


def shrunk(levels: Pixels, size: tuple[int, int], method: Image.Resampling) -> Pixels:
    """Gray levels ``[n, h, w]`` resized to ``size`` (height, width), each as Pillow resizes it alone.

    Pillow resizes rows first, then columns. So all rows of all pictures are resized as one tall
    picture, and then all columns, laid down as rows.
    """
    n, height, width = levels.shape
    rows = Image.fromarray(levels.reshape(n * height, width)).resize((size[1], n * height), method)
    columns = np.ascontiguousarray(
        np.asarray(rows, np.uint8).reshape(n, height, size[1]).transpose(0, 2, 1)
    )
    resized = Image.fromarray(columns.reshape(n * size[1], height)).resize(
        (size[0], n * size[1]), method
    )
    return np.asarray(resized, np.uint8).reshape(n, size[1], size[0]).transpose(0, 2, 1)
