"""Where rows are used."""

from __future__ import annotations

import pytest

from components.contracts.preset import DataPolicy, ImageSpec
from components.ingestion.splits import SplitRules, settle, share_of

GROUPS = [f"group-{number}" for number in range(4000)]


def rules(*published: str, twins: str = "leave-training") -> SplitRules:
    return SplitRules.of(DataPolicy("basic-7", ImageSpec(16, 16, 1), 0.25, 0.1, twins), frozenset(published))  # type: ignore[arg-type]


def group_where(split: str, *published: str) -> str:
    """A group whose unpublished or training rows land in ``split``."""
    return next(group for group in GROUPS if settle(group, ["train"], rules(*published))[0][0] == split)


def test_published_splits_are_kept() -> None:
    for group in GROUPS[:50]:
        assert settle(group, ["test"], rules("train", "test", "validation")) == [("test", "")]
        assert settle(group, ["validation"], rules("train", "test", "validation")) == [("validation", "")]
        assert settle(group, ["train"], rules("train", "test", "validation")) == [("train", "")]


def test_unpublished_splits_follow_the_shares() -> None:
    splits = [settle(group, [""], rules())[0][0] for group in GROUPS]
    assert splits.count("test") / len(GROUPS) == pytest.approx(0.25, abs=0.03)
    assert splits.count("validation") / (len(GROUPS) - splits.count("test")) == pytest.approx(0.1, abs=0.02)


def test_validation_is_held_out_of_training_and_says_so() -> None:
    places = [settle(group, ["train"], rules("train", "test"))[0] for group in GROUPS]
    assert set(places) == {("train", ""), ("validation", "held-out")}
    assert places.count(("validation", "held-out")) / len(GROUPS) == pytest.approx(0.1, abs=0.02)


def test_a_source_without_test_gets_one_from_its_training_rows() -> None:
    assert ("test", "drawn-for-test") in {settle(group, ["train"], rules("train"))[0] for group in GROUPS}


def test_copies_of_a_picture_stay_together() -> None:
    for group in GROUPS[:300]:
        assert len(set(settle(group, ["", "", ""], rules()))) == 1


def test_a_split_depends_on_nothing_but_the_content() -> None:
    # Fixed values: a change of the hash would move images between splits from one night to the next.
    assert round(share_of("test", "a"), 6) == 0.903425
    assert round(share_of("validation", "a"), 6) == 0.693607


def test_a_training_row_with_a_twin_in_test_leaves_training() -> None:
    group = group_where("train", "train", "test")
    assert settle(group, ["train", "test", "train"], rules("train", "test")) == [
        ("left-out", "twin-in-test"),
        ("test", ""),
        ("left-out", "twin-in-test"),
    ]


def test_a_held_out_row_with_a_twin_in_test_leaves_too() -> None:
    group = group_where("validation", "train", "test")
    assert settle(group, ["train", "test"], rules("train", "test"))[0] == ("left-out", "twin-in-test")


def test_twins_are_kept_when_the_policy_says_so() -> None:
    group = group_where("train", "train", "test")
    assert settle(group, ["train", "test"], rules("train", "test", twins="keep")) == [("train", ""), ("test", "")]


def test_a_training_row_with_a_twin_in_published_validation_leaves_training() -> None:
    assert settle("g", ["train", "validation"], rules("train", "validation", "test"))[0] == ("left-out", "twin-in-validation")


@pytest.mark.parametrize("reason", ["private-test", "class-left-out"])
def test_rows_that_nobody_uses_take_nothing_with_them(reason: str) -> None:
    group = group_where("train", "train", "test")
    assert settle(group, [reason, "train"], rules("train", "test")) == [("left-out", reason), ("train", "")]
