"""Where rows are used."""

from __future__ import annotations

import numpy as np
import pytest

from components.ingestion.snapshot.splits import CODE, WORDS, Rows, SplitRules, decide, draws
from components.shared.preset import DataPolicy, ImageSpec

GROUPS = [f"group-{number}" for number in range(4000)]


def rules(*published: str, **policy: object) -> SplitRules:
    return SplitRules.of(
        DataPolicy("basic-7", ImageSpec(16, 16, 1), 0.25, 0.1, **policy), frozenset(published)
    )  # type: ignore[arg-type]


def settle(
    group: str,
    published: list[str],
    rules: SplitRules,
    content: list[int] | None = None,
    label: list[int] | None = None,
    flat: list[bool] | None = None,
) -> list[tuple[str, str]]:
    """Split and note of the rows of one group; by default copies of one picture with one label."""
    zeros = [0] * len(published)
    columns = [np.array(column or zeros) for column in (content, label)]
    said = np.array([CODE[word] for word in published], np.int8)
    rows = Rows(
        lambda purpose: draws(purpose, [group]),
        np.array(zeros),
        *columns,
        said,
        np.array(flat or zeros, bool),
    )
    return list(
        zip(*([WORDS[code] for code in column] for column in decide(rows, rules)), strict=True)
    )


def group_where(split: str, *published: str) -> str:
    """A group whose unpublished or training rows land in ``split``."""
    return next(
        group for group in GROUPS if settle(group, ["train"], rules(*published))[0][0] == split
    )


def test_published_splits_are_kept() -> None:
    for group in GROUPS[:50]:
        assert settle(group, ["test"], rules("train", "test", "validation")) == [("test", "")]
        assert settle(group, ["validation"], rules("train", "test", "validation")) == [
            ("validation", "")
        ]
        assert settle(group, ["train"], rules("train", "test", "validation")) == [("train", "")]


def test_unpublished_splits_follow_the_shares() -> None:
    splits = [settle(group, [""], rules())[0][0] for group in GROUPS]
    assert splits.count("test") / len(GROUPS) == pytest.approx(0.25, abs=0.03)
    assert splits.count("validation") / (len(GROUPS) - splits.count("test")) == pytest.approx(
        0.1, abs=0.02
    )


def test_validation_is_held_out_of_training_and_says_so() -> None:
    places = [settle(group, ["train"], rules("train", "test"))[0] for group in GROUPS]
    assert set(places) == {("train", ""), ("validation", "held-out")}
    assert places.count(("validation", "held-out")) / len(GROUPS) == pytest.approx(0.1, abs=0.02)


def test_a_source_without_test_gets_one_from_its_training_rows() -> None:
    assert ("test", "drawn-for-test") in {
        settle(group, ["train"], rules("train"))[0] for group in GROUPS
    }


def test_copies_of_a_picture_stay_together() -> None:
    for group in GROUPS[:300]:
        assert len(set(settle(group, ["", "", ""], rules()))) == 1


def test_a_split_depends_on_nothing_but_the_content() -> None:
    # Fixed values: a change of the hash would move images between splits from one night to the
    # next.
    assert [round(float(draws(purpose, ["a"])[0]), 6) for purpose in ("test", "validation")] == [
        0.903425,
        0.693607,
    ]


def test_a_training_row_with_a_twin_in_test_leaves_training() -> None:
    group = group_where("train", "train", "test")
    assert settle(group, ["train", "test", "train"], rules("train", "test")) == [
        ("left-out", "twin-in-test"),
        ("test", ""),
        ("left-out", "twin-in-test"),
    ]


def test_a_held_out_row_with_a_twin_in_test_leaves_too() -> None:
    group = group_where("validation", "train", "test")
    assert settle(group, ["train", "test"], rules("train", "test"))[0] == (
        "left-out",
        "twin-in-test",
    )


def test_twins_are_kept_when_the_policy_says_so() -> None:
    group = group_where("train", "train", "test")
    assert settle(group, ["train", "test"], rules("train", "test", test_twins="keep")) == [
        ("train", ""),
        ("test", ""),
    ]


def test_a_training_row_with_a_twin_in_published_validation_leaves_training() -> None:
    group = group_where("train", "train", "test")
    assert settle(group, ["train", "validation"], rules("train", "validation", "test"))[0] == (
        "left-out",
        "twin-in-validation",
    )


@pytest.mark.parametrize("reason", ["private-test", "class-left-out"])
def test_rows_that_nobody_uses_take_nothing_with_them(reason: str) -> None:
    group = group_where("train", "train", "test")
    assert settle(group, [reason, "train"], rules("train", "test")) == [
        ("left-out", reason),
        ("train", ""),
    ]


def test_near_twins_of_test_leave_training_and_are_told_apart_from_exact_ones() -> None:
    group = group_where("train", "train", "test")
    found = settle(group, ["train", "test", "train"], rules("train", "test"), content=[1, 0, 0])
    assert found == [("left-out", "near-twin-in-test"), ("test", ""), ("left-out", "twin-in-test")]


TRAIN = group_where("train", "train", "test")
KEPT = {"near_constant": "keep", "label_conflicts": "keep", "test_twins": "keep"}


@pytest.mark.parametrize(
    ("treatment", "training", "test"),
    [
        ("keep", ["", ""], ["", ""]),
        ("leave-training", ["", "x"], ["", ""]),
        ("drop", ["", "x"], ["", "x"]),
    ],
)
@pytest.mark.parametrize(
    ("field", "note", "content"),
    [("exact_copies", "exact-copy", [0] * 4), ("near_duplicates", "near-duplicate", [0, 1, 0, 1])],
)
def test_copies_beyond_the_first_are_kept_leave_training_or_are_dropped(
    field: str, note: str, content: list[int], treatment: str, training: list[str], test: list[str]
) -> None:
    found = settle(
        TRAIN,
        ["train", "train", "test", "test"],
        rules("train", "test", **{**KEPT, field: treatment}),
        content=content,
    )
    places = [
        ("left-out", note) if gone else (split, "")
        for gone, split in zip([*training, *test], ["train"] * 2 + ["test"] * 2, strict=True)
    ]
    assert found == places


@pytest.mark.parametrize(
    ("treatment", "train", "test"),
    [
        ("keep", "train", "test"),
        ("leave-training", "left-out", "test"),
        ("drop", "left-out", "left-out"),
    ],
)
@pytest.mark.parametrize(
    ("field", "told"),
    [("label_conflicts", {"label": [0, 1]}), ("near_constant", {"flat": [True, True]})],
)
def test_conflicting_and_flat_pictures_are_treated_as_the_policy_says(
    field: str, told: dict[str, list[int]], treatment: str, train: str, test: str
) -> None:
    found = settle(
        TRAIN, ["train", "test"], rules("train", "test", **{**KEPT, field: treatment}), **told
    )  # type: ignore[arg-type]
    assert [split for split, _ in found] == [train, test]
    assert {note for split, note in found if split == "left-out"} <= {
        "label-conflict",
        "near-constant",
    }


def test_a_label_that_nobody_uses_conflicts_with_none() -> None:
    assert settle(TRAIN, ["train", "class-left-out"], rules("train", "test"), label=[0, 1])[0] == (
        "train",
        "",
    )
