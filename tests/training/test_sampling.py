"""The plan decides exactly which rows an epoch shows."""

from __future__ import annotations

import numpy as np
import pytest

from components.shared.errors import ContractError
from components.training.data.sampling import Plan, epoch_order

REPEATS = np.array([0, 1, 3, 2])


def plan(ids=("a", "b"), repeats=(1, 2), weights=(1.0, 0.5)):
    return Plan(tuple(ids), np.array(repeats), np.array(weights, np.float32))


def test_each_row_stands_as_often_as_the_plan_says_and_all_but_its_first_draw_are_repetitions():
    for epoch in range(5):
        rows, repetitions = epoch_order(REPEATS, seed=7, epoch=epoch)
        assert np.bincount(rows, minlength=4).tolist() == REPEATS.tolist()
        assert np.bincount(rows[repetitions], minlength=4).tolist() == [0, 0, 2, 1]


def test_the_order_follows_seed_and_epoch_and_nothing_else():
    many = np.full(50, 2)
    first = epoch_order(many, 7, 1)[0]
    assert np.array_equal(first, epoch_order(many, 7, 1)[0])
    assert not np.array_equal(first, epoch_order(many, 7, 2)[0])
    assert not np.array_equal(first, epoch_order(many, 8, 1)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ("a", "a")}, "names a row twice"),
        ({"repeats": (1, -1)}, "less than never"),
        ({"weights": (1.0, float("nan"))}, "a weight that can't be used"),
        ({"repeats": (0, 0)}, "draws no row"),
    ],
)
def test_a_plan_that_cannot_be_honoured_is_refused(changes, message):
    with pytest.raises(ContractError, match=message):
        plan(**changes)
