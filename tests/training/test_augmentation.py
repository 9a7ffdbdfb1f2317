"""Augmentation keeps shape, type and range, is seeded, and does what its names say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.shared.preset import Augmentation, ImageSpec
from components.training.data.augmentation import changed as augmented
from components.training.data.augmentation import draw

IMAGE = ImageSpec(20, 24, 1)
ALL = Augmentation(
    flip=True, rotation_degrees=20, zoom=0.2, shift=0.1, brightness=0.3, contrast=0.3
)
NONE = Augmentation(flip=False)


def photos(count=40, channels=1):
    return np.random.default_rng(0).integers(0, 256, (count, 20, 24, channels)).astype(np.float32)


def apply(augmentation, pixels, seed=1):
    changes = draw(augmentation, IMAGE, len(pixels), np.random.default_rng(seed))
    return np.asarray(augmented(pixels, changes, augmentation, keras.random.SeedGenerator(seed)))


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_type_and_range_stay(channels):
    pixels = photos(channels=channels)
    changed = apply(ALL, pixels)
    assert changed.shape == pixels.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert np.abs(changed - pixels).max() > 50


def test_equal_seeds_give_equal_images():
    assert np.array_equal(apply(ALL, photos(), seed=4), apply(ALL, photos(), seed=4))
    assert not np.array_equal(apply(ALL, photos(), seed=4), apply(ALL, photos(), seed=5))


def test_nothing_switched_on_changes_nothing():
    assert np.array_equal(apply(NONE, photos()), photos())


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_rest():
    pixels = photos()
    changed = apply(Augmentation(flip=True), pixels)
    mirrored = [
        np.allclose(after, before[:, ::-1], atol=1e-3)
        for before, after in zip(pixels, changed, strict=True)
    ]
    same = [
        np.allclose(after, before, atol=1e-3) for before, after in zip(pixels, changed, strict=True)
    ]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30


def test_shift_moves_the_picture_by_at_most_its_share():
    dot = np.zeros((200, 20, 24, 1), np.float32)
    dot[:, 10, 12] = 255
    changed = apply(Augmentation(flip=False, shift=0.2), dot)
    total = changed.sum(axis=(1, 2, 3))
    rows = (changed.sum(axis=(2, 3)) * np.arange(20)).sum(axis=1) / total - 10
    columns = (changed.sum(axis=(1, 3)) * np.arange(24)).sum(axis=1) / total - 12
    assert np.allclose(rows, np.round(rows), atol=1e-3), "whole pixels"
    assert round(float(np.abs(rows).max())) == 4
    assert round(float(np.abs(columns).max())) == 4


def test_rotation_and_zoom_leave_the_centre_and_stay_within_their_bounds():
    changes = draw(
        Augmentation(flip=False, rotation_degrees=10, zoom=0.1),
        IMAGE,
        500,
        np.random.default_rng(2),
    )
    a0, a1, a2, b0, b1, b2 = changes.transforms[:, :6].T
    assert np.allclose(
        [a0 * 11.5 + a1 * 9.5 + a2, b0 * 11.5 + b1 * 9.5 + b2],
        [[11.5] * 500, [9.5] * 500],
        atol=1e-4,
    )
    angle, scale = np.degrees(np.arctan2(b0, a0)), np.hypot(a0, b0)
    assert 9 < np.abs(angle).max() <= 10
    assert scale.min() >= 1 / 1.1 - 1e-6
    assert scale.max() <= 1 / 0.9 + 1e-6


def test_brightness_is_a_share_of_the_full_range_and_contrast_keeps_the_mean():
    gray = np.full((100, 20, 24, 1), 128, np.float32)
    added = apply(Augmentation(flip=False, brightness=0.1), gray)[:, 0, 0, 0] - 128
    assert 24 < np.abs(added).max() <= 25.5 + 1e-3
    soft = photos() / 4 + 96
    contrasted = apply(Augmentation(flip=False, contrast=0.2), soft)
    assert np.allclose(contrasted.mean(axis=(1, 2, 3)), soft.mean(axis=(1, 2, 3)), atol=0.01)
    ratio = contrasted.std(axis=(1, 2, 3)) / soft.std(axis=(1, 2, 3))
    assert ratio.min() >= 0.8 - 1e-3
    assert ratio.max() <= 1.2 + 1e-3
