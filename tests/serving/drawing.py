"""A face that is drawn, plain enough to read and enough of a face for a detector."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from components.shared.images.decode import Pixels

SKIN, SHADE, HAIR, GROUND = (224, 172, 140), (192, 148, 120), (60, 40, 30), (90, 110, 130)


def photo(width: int = 400, height: int = 400, *faces: tuple[int, int, int]) -> Pixels:
    """uint8 ``[height, width, 3]`` with a face at each (left, top, side)."""
    picture = Image.new("RGB", (width, height), GROUND)
    for left, top, side in faces:
        picture.paste(_face(side), (left, top))
    return np.asarray(picture)


def _face(side: int) -> Image.Image:
    picture = Image.new("RGB", (side, side), GROUND)
    draw, scale = ImageDraw.Draw(picture), side / 120

    def oval(
        left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]
    ) -> None:
        draw.ellipse(
            [scale * (10 + left), scale * (10 + top), scale * (10 + right), scale * (10 + bottom)],
            fill=colour,
        )

    def stroke(
        left: float,
        top: float,
        right: float,
        bottom: float,
        colour: tuple[int, int, int],
        width: float,
    ) -> None:
        draw.line(
            [scale * (10 + left), scale * (10 + top), scale * (10 + right), scale * (10 + bottom)],
            colour,
            round(width * scale),
        )

    oval(8, -8, 92, 70, HAIR)
    oval(14, 4, 86, 104, SKIN)
    for eye in (36, 64):
        oval(eye - 9, 40, eye + 9, 50, (250, 250, 250))
        oval(eye - 4.5, 40.5, eye + 4.5, 49.5, (50, 35, 25))
        stroke(eye - 11, 34, eye + 11, 33, HAIR, 3)
    draw.polygon([scale * each for each in (60, 56, 53, 76, 67, 76)], fill=SHADE)
    oval(36, 74, 64, 84, (170, 70, 70))
    stroke(37, 79, 63, 79, (110, 40, 40), 1.5)
    return picture.filter(ImageFilter.GaussianBlur(side / 110))
