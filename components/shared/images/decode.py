"""Decode an untrusted image under limits and bring it to a model's input."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from components.shared.preset import ImageSpec

Pixels = npt.NDArray[np.uint8]

MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
# Larger pictures are decoded one at a time in a process: each takes four bytes a pixel.
LARGE_PIXELS = 4_000_000
_ONE_LARGE = threading.Lock()
# What Pillow's decoders raise on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# Where one of their readers isn't imported, Pillow imports all that it has, with the first picture.
_READERS = (
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    TiffImagePlugin,
    PpmImagePlugin,
)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


class ImageRefused(Exception):
    """An image that can't be used. ``reason`` is one fixed word, ``detail`` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, upright.

    Attributes:
        pixels: uint8, ``[height, width]`` for gray and ``[height, width, 3]`` for colour sources.
        format: as Pillow names it.
    """

    pixels: Pixels
    format: str


def decode(content: bytes) -> Decoded:
    """Decode an image: limits, EXIF orientation, first frame, any mode to gray or RGB.

    Raises:
        ImageRefused: reasons empty, too-large, not-an-image, too-many-pixels, truncated.
    """
    image, name = _opened(content)
    return Decoded(np.asarray(image), name)


def to_input(pixels: Pixels, spec: ImageSpec) -> Pixels:
    """Bring decoded pixels to uint8 ``[height, width, channels]`` of a model's input."""
    if pixels.shape == (
        (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    ):
        return pixels[:, :, None] if spec.channels == 1 else pixels
    return _input_of(Image.fromarray(pixels), spec)


def read_input(content: bytes, spec: ImageSpec) -> Pixels:
    """`decode` and `to_input` in one, without the large array between.

    What training, evaluation and serving call.
    """
    return _input_of(_opened(content)[0], spec)


def encode_png(pixels: Pixels) -> bytes:
    """Lossless PNG of gray ``[h, w]`` / ``[h, w, 1]`` or colour ``[h, w, 3]`` pixels."""
    squeezed = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    stream = io.BytesIO()
    Image.fromarray(squeezed).save(stream, "PNG")
    return stream.getvalue()


def _fitted(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    """All of the picture, in its proportions, in the middle of black."""
    scale = min(size[0] / image.width, size[1] / image.height)
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), method
    )
    whole = Image.new(image.mode, size)
    whole.paste(small, ((size[0] - small.width) // 2, (size[1] - small.height) // 2))
    return whole


# `ImageOps.fit` crops the middle; its own `pad` can't fit a picture that comes out less than a
# pixel high.
_RESIZE: dict[str, Callable[..., Image.Image]] = {
    "stretch": Image.Image.resize,
    "fit": _fitted,
    "crop": ImageOps.fit,
}


def _opened(content: bytes) -> tuple[Image.Image, str]:
    """Return a picture of mode L or RGB, upright, and its format.

    Raises ImageRefused as `decode` says.
    """
    if not content:
        raise ImageRefused("empty", "the file has no bytes")
    if len(content) > MAX_BYTES:
        raise ImageRefused("too-large", f"{len(content):,} bytes, at most {MAX_BYTES:,} are read")
    with warnings.catch_warnings():
        # Pillow warns of large images before our own limit refuses them, and of odd metadata that
        # doesn't matter here.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            count = image.width * image.height
            if count > MAX_PIXELS:
                raise ImageRefused(
                    "too-many-pixels",
                    f"{image.width}x{image.height}, at most {MAX_PIXELS:,} pixels are decoded",
                )
            with _ONE_LARGE if count > LARGE_PIXELS else nullcontext():
                image.load()
                return _plain(_upright(image)), image.format or ""
        except UnidentifiedImageError as error:
            raise ImageRefused("not-an-image", f"none of {', '.join(FORMATS)}") from error
        except Image.DecompressionBombError as error:
            raise ImageRefused("too-many-pixels", str(error)) from error
        except _DAMAGE as error:
            raise ImageRefused("truncated", f"{type(error).__name__}: {error}") from error


def _input_of(image: Image.Image, spec: ImageSpec) -> Pixels:
    mode = "L" if spec.channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (spec.width, spec.height):
        image = _RESIZE[spec.resize](image, (spec.width, spec.height), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[:, :, None] if spec.channels == 1 else array


def _upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF orientation says.

    Damaged metadata of a sound picture is ignored.
    """
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
        return ImageOps.exif_transpose(image) if turned else image
    except _DAMAGE:
        return image


def _plain(upright: Image.Image) -> Image.Image:
    """Of mode L or RGB."""
    if upright.mode in ("L", "RGB") and "transparency" not in upright.info:
        return upright
    if upright.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(upright, dtype=np.uint16) >> 8).astype(np.uint8))
    if upright.mode in ("I", "F"):
        wide = np.asarray(upright, dtype=np.float64)
        return Image.fromarray(
            np.clip(wide / 256 if wide.max(initial=0) > 255 else wide, 0, 255).astype(np.uint8)
        )
    if upright.mode in ("1", "L"):
        return upright.convert("L")
    if upright.mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in upright.info:
        # Transparent parts show white, as a viewer would show them.
        rgba = upright.convert("RGBA")
        flat = Image.new("RGBA", rgba.size, "white")
        flat.alpha_composite(rgba)
        return flat.convert("L" if upright.mode in ("LA", "La") else "RGB")
    return upright.convert("RGB")
