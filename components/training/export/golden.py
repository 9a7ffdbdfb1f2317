"""Golden images.

As received, with the probabilities that the served file gives, so that any server can be checked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.shared.artifacts.contract import write_atomically
from components.shared.artifacts.golden import EXPECTED
from components.shared.images.decode import Pixels, decode, to_input
from components.shared.preset import ImageSpec
from components.shared.serialization import to_pretty_json
from components.training.fit.loss import Floats

EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "BMP": "bmp",
    "GIF": "gif",
    "TIFF": "tif",
    "PPM": "ppm",
}


def write_golden(
    folder: Path, images: dict[str, bytes], spec: ImageSpec, answer: Callable[[Pixels], Floats]
) -> Pixels:
    """Write the images and expected.json into ``folder``.

    Args:
        images: encoded images by example id. answer: the served function, uint8 ``[n, h, w, c]`` to
            ``[n, labels]``.

    Returns:
        The decoded images, uint8 ``[n, h, w, c]``, in the order of their ids.
    """
    names: list[str] = []
    pixels = np.empty((len(images), spec.height, spec.width, spec.channels), np.uint8)
    for example_id, content in sorted(images.items()):
        decoded = decode(content)
        pixels[len(names)] = to_input(decoded.pixels, spec)
        names.append(f"{example_id}.{EXTENSIONS[decoded.format]}")
        write_atomically(folder / names[-1], content)
    answers = answer(pixels).tolist() if names else []
    expected = dict(zip(names, answers, strict=True))
    write_atomically(folder / EXPECTED, to_pretty_json(expected).encode())
    return pixels
