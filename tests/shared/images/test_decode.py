"""The decoder on what people put into image folders: orientations, modes, damage, bombs."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from components.shared.images import decode as module
from components.shared.images.decode import ImageRefused, decode, encode_png, read_input, to_input
from components.shared.preset import ImageSpec


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def gradient(height: int = 20, width: int = 30) -> np.ndarray:
    return np.add.outer(np.arange(height) * 5, np.arange(width) * 4).astype(np.uint8)


def refused(content: bytes) -> ImageRefused:
    with pytest.raises(ImageRefused) as caught:
        decode(content)
    return caught.value


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    upright = gradient()
    # How a camera held that way stores the picture: the inverse of what a viewer does (EXIF 2.3,
    # table 4).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(decode(content).pixels, upright)


def test_damaged_exif_of_a_sound_picture_is_ignored() -> None:
    content = encoded(
        Image.fromarray(gradient()), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff rubbish"
    )
    assert decode(content).pixels.shape == (20, 30)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_every_format_is_read_and_named(form: str) -> None:
    decoded = decode(encoded(Image.fromarray(gradient()), form))
    assert decoded.format == form
    assert decoded.pixels.shape[:2] == (20, 30)
    gray = np.asarray(Image.fromarray(decoded.pixels).convert("L"), dtype=int)
    assert np.abs(gray - gradient()).mean() < 3


def test_cmyk_becomes_the_same_colour_in_rgb() -> None:
    decoded = decode(
        encoded(Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK"), "JPEG", quality=95)
    )
    assert decoded.pixels.shape == (16, 16, 3)
    assert np.abs(decoded.pixels.reshape(-1, 3).mean(axis=0) - (200, 60, 30)).max() < 6


def test_a_palette_becomes_its_colours() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    pixels = decode(encoded(image, "PNG")).pixels
    assert pixels.shape == (8, 8, 3)
    assert (pixels == (10, 200, 30)).all()


def test_sixteen_bit_gray_keeps_its_upper_byte() -> None:
    wide = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(wide), "PNG")).pixels
    np.testing.assert_array_equal(pixels, (wide >> 8).astype(np.uint8))


def test_one_bit_becomes_black_and_white() -> None:
    bits = gradient() > 100
    np.testing.assert_array_equal(
        decode(encoded(Image.fromarray(bits), "PNG")).pixels, bits.astype(np.uint8) * 255
    )


@pytest.mark.parametrize(("mode", "shape"), [("RGBA", (8, 8, 3)), ("LA", (8, 8))])
def test_transparent_parts_show_white(mode: str, shape: tuple[int, ...]) -> None:
    image = Image.new(mode, (8, 8), 0)
    pixels = decode(encoded(image, "PNG")).pixels
    assert pixels.shape == shape
    assert (pixels == 255).all()


def test_a_palette_with_transparency_shows_white_there() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((0, 0), 1)
    pixels = decode(encoded(image, "PNG", transparency=b"\x00\xff")).pixels
    assert tuple(pixels[0, 0]) == (255, 0, 0)
    assert (pixels[1:] == 255).all()


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("L", (12, 12), level) for level in (40, 220)]
    pixels = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).pixels
    assert pixels.shape[:2] == (12, 12)
    assert np.abs(pixels.astype(int) - 40).max() <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_a_cut_file_is_refused_and_never_raises_anything_else(form: str) -> None:
    content = encoded(
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 32), dtype=np.uint8)), form
    )
    assert refused(content[: len(content) // 2]).reason in {"truncated", "not-an-image"}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_random_damage_gives_pixels_or_a_refusal(form: str) -> None:
    rng = np.random.default_rng(7)
    content = encoded(Image.fromarray(gradient()).convert("RGB"), form)
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(0, 256)
        try:
            pixels = decode(bytes(damaged)).pixels
        except ImageRefused:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.ndim in (2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is a text named .jpg", "not-an-image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not-an-image"),
        (b"\xff\xd8\xff\xe0", "not-an-image"),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    assert refused(content).reason == reason


def test_a_file_above_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    error = refused(encoded(Image.fromarray(gradient()), "PNG"))
    assert error.reason == "too-large"
    assert "at most 10" in error.detail


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims ``width`` by ``height`` pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(8_000, 8_000), (12_000, 12_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_before_its_pixels_are_made(
    width: int, height: int
) -> None:
    error = refused(bomb(width, height))
    assert error.reason == "too-many-pixels"


def test_input_has_the_shape_the_model_takes() -> None:
    content = encoded(Image.fromarray(gradient()), "PNG")
    assert read_input(content, ImageSpec(48, 32, 1)).shape == (48, 32, 1)
    colour = read_input(content, ImageSpec(48, 32, 3))
    assert colour.shape == (48, 32, 3)
    assert colour.dtype == np.uint8
    assert (colour[..., 0] == colour[..., 2]).all()


def test_input_of_the_right_size_is_left_alone() -> None:
    np.testing.assert_array_equal(
        to_input(gradient(20, 30), ImageSpec(20, 30, 1))[:, :, 0], gradient(20, 30)
    )


def halves(height: int, width: int) -> np.ndarray:
    """Gray, its left half 100 and its right half 200."""
    pixels = np.full((height, width), 100, np.uint8)
    pixels[:, width // 2 :] = 200
    return pixels


def test_stretch_uses_all_of_the_picture_and_of_the_input() -> None:
    pixels = to_input(halves(20, 40), ImageSpec(20, 20, 1))[:, :, 0]
    assert (pixels[:, :9] == 100).all()
    assert (pixels[:, 11:] == 200).all()


def test_fit_keeps_the_proportions_and_fills_with_black() -> None:
    pixels = to_input(halves(20, 40), ImageSpec(20, 20, 1, "fit"))[:, :, 0]
    assert (pixels[:5] == 0).all()
    assert (pixels[15:] == 0).all()
    assert (pixels[5:15, :9] == 100).all()
    assert (pixels[5:15, 11:] == 200).all()


def test_crop_keeps_the_proportions_and_the_middle() -> None:
    wide = halves(20, 40)
    wide[:, :10] = wide[:, 30:] = 0  # what is cut off
    pixels = to_input(wide, ImageSpec(20, 20, 1, "crop"))[:, :, 0]
    assert (pixels[:, :9] == 100).all()
    assert (pixels[:, 11:] == 200).all()


@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(20, 30), (30, 20, 3), (1, 1), (8, 400)])
def test_every_way_of_resizing_gives_the_input_shape(
    resize: str, channels: int, shape: tuple[int, ...]
) -> None:
    spec = ImageSpec(24, 16, channels, resize)  # type: ignore[arg-type]
    assert to_input(np.full(shape, 9, np.uint8), spec).shape == (24, 16, channels)


@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 1), (9, 11, 3)])
def test_a_png_keeps_every_pixel(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(
        decode(encode_png(pixels)).pixels,
        pixels[:, :, 0] if shape[-1] == 1 and len(shape) == 3 else pixels,
    )
