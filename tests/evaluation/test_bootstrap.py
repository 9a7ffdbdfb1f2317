"""The paired bootstrap.

Each resample's figures are scikit-learn's, strata keep their sizes, copies stay together.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from components.evaluation.scoring import bootstrap
from components.evaluation.scoring.sums import point_figures

K = 4


def drawn(seed: int, rows: int, copies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = np.arange(rows)
    groups[:copies] = groups[copies : 2 * copies]
    return rng.integers(0, K, rows), rng.dirichlet(np.ones(K), rows), groups


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((1, 2, 5, 40, 150)), st.integers(0, 10))
def test_every_resample_has_scikit_learns_figures(seed: int, rows: int, copies: int) -> None:
    labels, table, groups = drawn(seed, rows, min(copies, rows // 2))
    found = bootstrap.paired_bootstrap(
        labels, {"one": table, "two": table[:, ::-1]}, groups, 5, seed=3
    )
    stratum, members = bootstrap.by_group(labels, np.eye(rows), groups)
    weights = (next(bootstrap.resampled(stratum, 5, 3)) @ members).astype(int)
    for place, weight in enumerate(weights):
        chosen = np.repeat(np.arange(rows), weight)
        for name, probabilities in (("one", table), ("two", table[:, ::-1])):
            predicted = probabilities[chosen].argmax(axis=1)
            figures = found[name]
            assert figures.accuracy[place] == pytest.approx(
                accuracy_score(labels[chosen], predicted)
            )
            macro_f1 = f1_score(labels[chosen], predicted, average="macro", zero_division=0)
            assert figures.macro_f1[place] == pytest.approx(macro_f1)
            expected = log_loss(labels[chosen], probabilities[chosen], labels=np.arange(K))
            assert figures.log_loss[place] == pytest.approx(expected, rel=1e-4)
            assert figures.ece[place] == pytest.approx(
                point_figures(labels[chosen], probabilities[chosen]).ece, abs=1e-5
            )


def test_strata_keep_their_sizes_and_groups_are_drawn_evenly() -> None:
    stratum = np.repeat([0, 1, 2], [40, 1, 9])
    weights = np.concatenate(list(bootstrap.resampled(stratum, 4000, seed=1)))
    assert weights.shape == (4000, 50)
    for value, size in ((0, 40), (1, 1), (2, 9)):
        assert (weights[:, stratum == value].sum(axis=1) == size).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.08)
    # A multinomial weight has variance 1 - 1/size.
    assert weights[:, :40].var(axis=0).mean() == pytest.approx(1 - 1 / 40, abs=0.03)


def test_copies_are_drawn_together_and_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    labels, table = (
        np.repeat(rng.integers(0, K, 200), 5),
        np.repeat(rng.dirichlet(np.ones(K), 200), 5, axis=0),
    )
    together = bootstrap.paired_bootstrap(labels, {"m": table}, np.repeat(np.arange(200), 5), 2000)[
        "m"
    ].accuracy.std()
    apart = bootstrap.paired_bootstrap(labels, {"m": table}, np.arange(1000), 2000)[
        "m"
    ].accuracy.std()
    assert together / apart == pytest.approx(np.sqrt(5), rel=0.1)


def test_a_group_with_two_labels_stands_in_one_stratum() -> None:
    stratum, table = bootstrap.by_group(np.array([2, 0, 1]), np.eye(3), np.array([7, 7, 9]))
    assert stratum.tolist() == [0, 1]
    assert table.tolist() == [[1, 1, 0], [0, 0, 1]]


def test_the_same_seed_gives_the_same_resamples() -> None:
    labels, table, groups = drawn(1, 60, 5)
    one, two, other = (
        bootstrap.paired_bootstrap(labels, {"m": table}, groups, 300, seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(one["m"].macro_f1, two["m"].macro_f1)
    assert not np.array_equal(one["m"].macro_f1, other["m"].macro_f1)


def test_p_value_of_harm() -> None:
    assert bootstrap.p_value_of_harm(np.ones(999)) == pytest.approx(0.001)
    assert bootstrap.p_value_of_harm(np.zeros(999)) == 1.0
