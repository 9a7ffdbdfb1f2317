"""Slices: fixed bins, values, quartiles, and what can't be one."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.scoring.changes import class_changes, flips, slice_changes
from components.evaluation.scoring.slices import slices
from components.shared.errors import InputError, UnknownNameError
from tests.evaluation.cases import NAMES, answers

TABLE: dict[str, np.ndarray] = {
    "brightness": np.array([84.9, 85.0, 169.9, 170.0]),
    "width": np.array([48, 300, 100, 20]),
    "height": np.array([48, 260, 40, 90]),
    "source": np.array(["a", "", "b", "a"], object),
    "format": np.array(["PNG"] * 4, object),
    "entropy": np.array([1.0, 2.0, 3.0, 4.0]),
}


def of(*columns: str) -> dict[str, list[int]]:
    return {
        f"{piece.column} {piece.name}": np.flatnonzero(piece.member).tolist()
        for piece in slices(TABLE, columns)
    }


def test_bins_are_fixed_by_definition() -> None:
    assert of("brightness") == {
        "brightness dark (below 85)": [0],
        "brightness medium (85 to 170)": [1, 2],
        "brightness bright (170 and above)": [3],
    }
    assert of("size") == {
        "size below 32 pixels": [3],
        "size 32 to 63 pixels": [0, 2],
        "size 256 pixels and above": [1],
    }


def test_text_is_cut_by_value_and_other_numbers_by_quartiles() -> None:
    assert of("source") == {"source none": [1], "source a": [0, 3], "source b": [2]}
    assert of("entropy") == {
        "entropy below 1.75": [0],
        "entropy 1.75 to 2.5": [1],
        "entropy 2.5 to 3.25": [2],
        "entropy 3.25 and above": [3],
    }


def test_a_slice_of_all_rows_is_none() -> None:
    assert of("format") == {}


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'brightness'"):
        of("brightnes")


def test_a_column_of_identities_is_refused() -> None:
    with pytest.raises(InputError, match="at most 50 different values; received 60"):
        slices(
            {"example_id": np.array([str(index) for index in range(60)], object)}, ["example_id"]
        )


def test_changes_count_both_ways() -> None:
    found = answers(
        {"happy": 30, "sad": 5},
        {"happy": 10},
        slices={"dark": np.arange(3000) < 40, "rest": np.arange(3000) >= 40},
    )
    happy = class_changes(found, NAMES)[0]
    assert (happy.kind, happy.name, happy.rows, happy.gained, happy.lost) == (
        "class",
        "happy",
        1000,
        30,
        10,
    )
    assert happy.difference == pytest.approx(0.02)
    assert happy.champion is not None
    assert happy.challenger - happy.champion == pytest.approx(happy.difference)
    assert happy.interval[0] < 0.02 < happy.interval[1]
    dark = slice_changes(found)[0]
    assert (dark.kind, dark.rows, dark.challenger, dark.champion) == ("brightness", 40, 0.75, 0.25)
    gained, lost = flips(found, 8)
    assert [found.labels[row] for row in gained] == [0, 1, 0, 1, 0, 1, 0, 1]  # classes in turn
    assert lost == list(range(30, 38))
