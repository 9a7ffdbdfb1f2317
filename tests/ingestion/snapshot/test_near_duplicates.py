"""Near duplicates.

The same photograph again is found, another isn't, and nothing depends on the order of reading.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.ingestion.snapshot import near_duplicates
from components.ingestion.snapshot.near_duplicates import (
    MAX_COMPARED,
    alike,
    grid,
    representatives,
    sketches,
)
from components.ingestion.snapshot.near_duplicates import _planes as planes


def photograph(seed: int, size: int = 96) -> Image.Image:
    """A smooth picture with some structure, unlike that of any other seed."""
    levels = np.random.default_rng(seed).normal(128, 60, (12, 12)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels).resize((size, size), Image.Resampling.BICUBIC)


def like(first: np.ndarray, other: np.ndarray) -> bool:
    grids = np.stack([grid(first), grid(other)])
    return representatives(
        sketches(grids),
        np.arange(2),
        np.array([-1, -1]),
        lambda one, two: alike(grids[one], grids[two]),
    ).tolist() == [
        0,
        0,
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((48, 48), Image.Resampling.LANCZOS),
        lambda image: image.crop((1, 1, 95, 95)),
        lambda image: image.point(lambda level: int(level * 0.8 + 15)),
        lambda image: image.convert("RGB"),
        lambda image: Image.fromarray(
            (np.asarray(image) + np.random.default_rng(1).normal(0, 6, (96, 96)))
            .clip(0, 255)
            .astype(np.uint8)
        ),
    ],
    ids=["smaller", "cropped", "darker", "colour", "noisy"],
)
def test_the_same_photograph_again_is_found(change: object) -> None:
    assert callable(change)
    for seed in range(20):
        assert like(np.asarray(photograph(seed)), np.asarray(change(photograph(seed))))


def test_other_photographs_and_the_mirrored_one_are_not_alike() -> None:
    pictures = [np.asarray(photograph(seed)) for seed in range(40)]
    assert not any(like(one, other) for one, other in itertools.pairwise(pictures))
    assert not any(like(one, one[:, ::-1]) for one in pictures)


def test_groups_do_not_chain() -> None:
    """b is like a and c is like b, but c isn't like a: c stands for itself."""
    a, far = (np.asarray(photograph(seed), np.float64) for seed in (1, 2))
    steps = [(a * (1 - share) + far * share).astype(np.uint8) for share in (0.0, 0.16, 0.32)]
    grids = np.stack([grid(step) for step in steps])
    assert [alike(grids[0], grids[1]), alike(grids[1], grids[2]), alike(grids[0], grids[2])] == [
        True,
        True,
        False,
    ]
    found = representatives(
        sketches(grids),
        np.arange(3),
        np.full(3, -1),
        lambda one, other: alike(grids[one], grids[other]),
    )
    assert found.tolist() == [0, 0, 2]


def test_what_was_settled_before_never_changes() -> None:
    grids = np.stack([grid(np.asarray(photograph(1)))] * 4)
    everything_alike = lambda one, other: True  # noqa: E731
    assert representatives(
        sketches(grids), np.arange(4), np.array([0, 1, 1, -1]), everything_alike
    ).tolist() == [0, 1, 1, 0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_every_picture_stands_for_itself_or_follows_one_that_does(seeds: list[int]) -> None:
    grids = np.stack([grid(np.asarray(photograph(seed))) for seed in seeds])
    leader = representatives(
        sketches(grids),
        np.arange(len(seeds)),
        np.full(len(seeds), -1),
        lambda one, other: alike(grids[one], grids[other]),
    )
    assert (leader[leader] == leader).all()
    assert [seeds[index] for index in leader] == seeds
    assert len(set(leader.tolist())) == len(set(seeds))


def test_what_is_compared_was_told_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "COMPARED_AT_ONCE", 4)
    grids = np.stack([grid(np.asarray(photograph(seed % 3))) for seed in range(12)])
    told: list[set[int]] = []

    def confirm(one: int, other: int) -> bool:
        assert {one, other} <= told[-1]
        return alike(grids[one], grids[other])

    leader = representatives(
        sketches(grids),
        np.arange(12),
        np.full(12, -1),
        confirm,
        lambda indices: told.append(set(indices)),
    )
    assert leader.tolist() == [0, 1, 2] * 4
    assert len(told) > 1
    assert max(map(len, told)) <= 8


def test_a_key_that_very_many_share_costs_little() -> None:
    grids = np.repeat(grid(np.asarray(photograph(3)))[None], 3000, axis=0)
    asked = 0

    def confirm(one: int, other: int) -> bool:
        nonlocal asked
        asked += 1
        return False

    representatives(sketches(grids), np.arange(3000), np.full(3000, -1), confirm)
    assert asked <= 3000 * MAX_COMPARED


def test_the_projections_are_whole_numbers_that_float32_adds_exactly() -> None:
    whole = planes()
    assert (whole == np.rint(whole)).all()
    assert (whole.sum(axis=0) == 0).all()
    assert np.abs(whole).sum(axis=0).max() * 255 < 2**24


def test_brightness_alone_changes_no_bit() -> None:
    levels = grid(np.asarray(photograph(5))) // 2
    assert (sketches(levels[None]) == sketches(levels[None] + 40)).all()
