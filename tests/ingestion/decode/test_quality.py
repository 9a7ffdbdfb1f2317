"""Identity and quality features, against what SciPy-free definitions give."""

from __future__ import annotations

import numpy as np
import pytest

from components.ingestion.decode.quality import content_id, example_id, quality
from components.shared.images import features


def noise(height: int = 40, width: int = 30) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width), dtype=np.uint8)


def test_features_are_their_definitions() -> None:
    pixels = noise()
    found = quality(pixels)
    wide = pixels.astype(float)
    laplacian = (
        wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * wide[1:-1, 1:-1]
    )
    shares = np.bincount(pixels.ravel())[np.bincount(pixels.ravel()) > 0] / pixels.size
    assert found.brightness == pytest.approx(wide.mean())
    assert found.contrast == pytest.approx(wide.std())
    assert found.sharpness == pytest.approx(laplacian.var())
    assert found.entropy == pytest.approx(-(shares * np.log2(shares)).sum())


def test_sharpness_is_the_same_in_one_strip_or_many(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = quality(noise()).sharpness
    for pixels in (30, 31, 90, 7 * 30):
        monkeypatch.setattr(features, "STRIP_PIXELS", pixels)
        assert quality(noise()).sharpness == pytest.approx(whole, rel=1e-12)


def test_a_flat_picture_has_no_contrast_sharpness_or_entropy() -> None:
    found = quality(np.full((20, 20), 77, np.uint8))
    assert (found.brightness, found.contrast, found.sharpness, found.entropy) == (
        77.0,
        0.0,
        0.0,
        0.0,
    )
    assert found.perceptual_hash == "0" * 16


@pytest.mark.parametrize("shape", [(1, 1), (2, 50), (50, 2)])
def test_tiny_pictures_are_measured(shape: tuple[int, int]) -> None:
    assert quality(np.full(shape, 9, np.uint8)).sharpness == 0.0


def test_colour_is_measured_as_gray() -> None:
    gray = noise()
    assert quality(np.repeat(gray[:, :, None], 3, axis=2)) == quality(gray)


def test_the_perceptual_hash_says_where_it_gets_brighter() -> None:
    rising = np.tile(np.linspace(0, 250, 90).astype(np.uint8), (80, 1))
    assert quality(rising).perceptual_hash == "f" * 16
    assert quality(rising[:, ::-1]).perceptual_hash == "0" * 16


def test_the_perceptual_hash_survives_small_changes() -> None:
    smooth = np.add.outer(np.sin(np.arange(64) / 9), np.cos(np.arange(64) / 7)) * 50 + 120
    one = quality(smooth.astype(np.uint8)).perceptual_hash
    other = quality((smooth * 0.9 + 5).astype(np.uint8)).perceptual_hash
    assert (int(one, 16) ^ int(other, 16)).bit_count() <= 3


def test_identity_is_of_pixels_and_shape() -> None:
    pixels = noise(4, 6)
    assert content_id(pixels) == content_id(pixels.copy(order="F"))
    assert content_id(pixels) != content_id(pixels.reshape(6, 4))
    assert example_id(content_id(pixels), "a") != example_id(content_id(pixels), "b")
