"""A picture with its answer drawn on it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components.serving.predictor.classifier import Answer
from components.shared.images.decode import Pixels

INK, GROUND = (255, 255, 255), (20, 60, 120)
# Small pictures are enlarged, so that words can be read on them.
SMALLEST = 240


def annotated(picture: Pixels, answer: Answer) -> bytes:
    """PNG of a decoded picture, uint8 ``[h, w]`` or ``[h, w, 3]``, with a box and a label per face, or one label."""
    scale = max(1, -(-SMALLEST // min(picture.shape[:2])))
    image = Image.fromarray(np.repeat(np.repeat(picture, scale, 0), scale, 1)).convert("RGB")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=max(14, min(image.size) // 30))
    if answer.faces is None:
        _label(draw, (0, 0), answer, font)
    for face in answer.faces or ():
        box = [side * scale for side in face.box]
        draw.rectangle(box, outline=GROUND, width=max(2, min(image.size) // 200))
        _label(draw, (max(0, box[0]), max(0, box[1])), face.answer, font)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _label(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    answer: Answer,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    sure = (answer.probabilities or {}).get(answer.label, 0.0)
    words = f" {answer.label} {100 * sure:.0f} % "
    draw.rectangle(draw.textbbox(at, words, font=font), fill=GROUND)
    draw.text(at, words, fill=INK, font=font)
