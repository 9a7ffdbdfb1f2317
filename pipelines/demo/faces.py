"""One face: a person, an action, a pose and a light become pixels."""

from __future__ import annotations

import functools
import io
import math
import random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from pipelines.demo import features, head
from pipelines.demo.expressions import act
from pipelines.demo.people import anyone
from pipelines.demo.scene import Scene, any_pose

Pixels = npt.NDArray[np.uint8]

# Changes whenever the same arguments draw another picture, so that folders drawn before are drawn
# again.
DRAWING_VERSION = 1

OCCLUDED = 0.12
_CANVAS = 192  # pixels that a side is painted with at least, before it is scaled down


def draw(label: str, rng: random.Random, size: int = 48, channels: int = 1) -> Pixels:
    """Return a face that shows the expression ``label``.

    Returns:
        uint8, ``[size, size]`` for one channel and ``[size, size, 3]`` for three. The gray picture
        is the colour picture of the same ``rng`` in gray, but for rounding and noise.

    Raises:
        UnknownNameError: no such expression.
    """
    scene = Scene()
    pose, person, action = any_pose(rng), anyone(rng), act(label, rng)
    head.add_backdrop(scene, pose, person, rng)
    head.add_behind(scene, person, action)
    head.add_beard(scene, person, action)
    features.add_nose(scene, person, action)
    features.add_mouth(scene, person, action)
    gaze = (rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.2))
    for side in (-1, 1):
        features.add_eye(scene, person, action, side, gaze)
        features.add_brow(scene, person, action, side)
    head.add_hair(scene, person)
    head.add_glasses(scene, person)
    head.add_occlusion(scene, person, rng, OCCLUDED)
    finer = max(2, math.ceil(_CANVAS / size))
    canvas = Image.new("L" if channels == 1 else "RGB", (size * finer, size * finer))
    scene.paint(pose, canvas)
    return _photograph(canvas.reduce(finer), rng)


def encode(pixels: Pixels) -> bytes:
    """PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _photograph(image: Image.Image, rng: random.Random) -> Pixels:
    """Focus, light and grain: what a camera adds to a scene."""
    size = image.width
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7) * size / 48))
    values = np.asarray(image, dtype=np.float32)
    across, down = _grid(size)
    angle, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0.0, 0.45)
    light = (
        1
        + np.float32(depth * math.cos(angle)) * across
        + np.float32(depth * math.sin(angle)) * down
    )
    contrast, level = rng.uniform(0.65, 1.15), rng.uniform(92, 158)
    grain = np.random.default_rng(rng.getrandbits(64)).standard_normal(
        values.shape, dtype=np.float32
    )
    lit = values * (light if values.ndim == 2 else light[:, :, None])
    lit = (
        (lit - lit.mean()) * np.float32(contrast)
        + np.float32(level)
        + grain * np.float32(rng.uniform(1.5, 8))
    )
    return np.clip(lit, 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _grid(size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    line = np.linspace(-1, 1, size, dtype=np.float32)
    return line[None, :], line[:, None]
