"""Small drawn faces as data URIs, from the standard library."""

from __future__ import annotations

import base64
import random
from functools import cache

from tests.artifacts_png import encode_gray

SIZE = 48


@cache
def face(expression: int, seed: int) -> str:
    """A 48x48 gray PNG: a head with eyes and a mouth that bends with ``expression``, 0 to 6."""
    rng = random.Random(seed)
    skin, ground, bend = rng.randint(150, 225), rng.randint(20, 90), (expression - 3) / 30
    pixels = [bytearray([ground]) * SIZE for _ in range(SIZE)]
    for y in range(SIZE):
        for x in range(SIZE):
            if ((x - 24) / 16) ** 2 + ((y - 24) / 21) ** 2 <= 1:
                eye = any((x - at) ** 2 + (y - 20) ** 2 <= 5 for at in (18, 30))
                mouth = abs(x - 24) <= 8 and abs(y - (35 + bend * ((x - 24) ** 2 - 30))) <= 1
                pixels[y][x] = 30 if eye else 70 if mouth else skin
    picture = encode_gray(SIZE, SIZE, [bytes(row) for row in pixels])
    return "data:image/png;base64," + base64.b64encode(picture).decode()
