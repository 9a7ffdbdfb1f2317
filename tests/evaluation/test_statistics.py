"""The gate's tests agree with statsmodels and scipy on random tables, and keep the error rates that they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.gate import statistics as ours
from components.evaluation.gate.margins import chance_of_passing, largest_share, plan
from components.shared import statistics as shared
from components.shared.preset import GatePolicy
from tests.evaluation.oracle import ask

EDGES = [(0, 0), (1, 0), (0, 1), (1, 1), (7, 7), (0, 40), (40, 0), (300, 339)]


def tables() -> list[tuple[int, int]]:
    rng = np.random.default_rng(11)
    return EDGES + [(int(b), int(c)) for b, c in rng.integers(0, 400, (60, 2))]


def shares() -> list[tuple[int, int, float]]:
    rng = np.random.default_rng(12)
    drawn = [
        (int(rng.integers(0, n + 1)), int(n), float(rng.choice([0.05, 0.025, 0.01])))
        for n in rng.integers(1, 4000, 60)
    ]
    return [(0, 1, 0.05), (1, 1, 0.05), (0, 56, 0.05), (56, 56, 0.025), *drawn]


def families() -> list[list[float]]:
    rng = np.random.default_rng(13)
    drawn = [(rng.random(int(size)) ** 3).tolist() for size in rng.integers(1, 16, 40)]
    return [[0.01], [1.0, 1.0], [0.02, 0.02, 0.02], [0.05, 0.0, 0.04], *drawn]


@pytest.fixture(scope="module")
def oracle() -> dict[str, list[Any]]:
    asked = {
        "mcnemar": [list(table) for table in tables()],
        "sign": [list(table) for table in tables()],
        "clopper_pearson": [list(share) for share in shares()],
        "holm": [[family] for family in families()],
        "quantile": [[0.8], [0.95], [0.975], [1 - 1e-6]],
    }
    answers = iter(
        ask(
            [
                {"name": name, "arguments": each}
                for name, questions in asked.items()
                for each in questions
            ]
        )
    )
    return {name: [next(answers) for _ in questions] for name, questions in asked.items()}


def test_mcnemar_is_statsmodels(oracle: dict[str, list[Any]]) -> None:
    b, c = np.array(tables()).T
    assert ours.mcnemar(b, c) == pytest.approx(oracle["mcnemar"])


def test_sign_test_of_harm_is_scipys(oracle: dict[str, list[Any]]) -> None:
    b, c = np.array(tables()).T
    assert ours.sign_test_of_harm(b, c) == pytest.approx(oracle["sign"])


def test_clopper_pearson_is_statsmodels(oracle: dict[str, list[Any]]) -> None:
    found = [shared.clopper_pearson(*share) for share in shares()]
    assert np.array(found) == pytest.approx(np.array(oracle["clopper_pearson"]), abs=1e-12)


def test_holm_is_statsmodels(oracle: dict[str, list[Any]]) -> None:
    for family, (adjusted, rejected) in zip(families(), oracle["holm"], strict=True):
        found = ours.holm(family)
        assert found == pytest.approx(np.array(adjusted))
        assert (found <= 0.05).tolist() == rejected
    assert ours.holm([]).tolist() == []


def test_quantiles_are_scipys(oracle: dict[str, list[Any]]) -> None:
    assert [ours.normal_quantile(share) for share in (0.8, 0.95, 0.975, 1 - 1e-6)] == pytest.approx(
        oracle["quantile"]
    )


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 3000))
def test_the_paired_interval_is_that_of_the_rows(b: int, c: int, others: int) -> None:
    n = b + c + others
    if n == 0:
        return
    low, high = ours.paired_interval(b, c, n, 0.05)
    each = np.repeat(
        [1.0, -1.0, 0.0], [b, c, others]
    )  # the difference of each row; its variance, not assumed anything
    reach = 1.6448536269514722 * each.std() / np.sqrt(n)
    assert (low, high) == (
        pytest.approx(each.mean() - reach, abs=1e-12),
        pytest.approx(each.mean() + reach, abs=1e-12),
    )
    change = ours.change_interval(b, c, n)
    assert -1 <= change[0] < change[1] <= 1


def test_the_smallest_margin_is_the_one_that_needs_these_rows() -> None:
    for p in (0.05, 0.14, 0.178, 0.4):
        margin = ours.smallest_margin(p, 3589, 0.05, 0.8)
        assert (
            ours.rows_needed(p, margin * 1.0001, 0.05, 0.8)
            <= 3589
            < ours.rows_needed(p, margin * 0.9999, 0.05, 0.8)
        )
    assert ours.rows_needed(0.0, 0.01, 0.05, 0.8) == 0


def test_what_is_spent_over_all_looks_is_alpha() -> None:
    assert sum(ours.spent(0.05, look) for look in range(1, 20_000)) == pytest.approx(0.05, rel=1e-4)
    assert ours.spent(0.05, 1) == pytest.approx(0.0304, abs=1e-4)


def test_fer2013s_margin_is_resolved_up_to_the_share_that_the_preset_says() -> None:
    policy = GatePolicy(min_accuracy=0.5, min_macro_f1=0.4, margin=0.0175)
    assert largest_share(policy, 3589) == pytest.approx(0.178, abs=5e-4)
    assert chance_of_passing(largest_share(policy, 3589), 3589, policy) == pytest.approx(
        0.8, abs=1e-6
    )
    assert chance_of_passing(0.1, 3589, policy, -policy.margin) == pytest.approx(0.05)


def test_the_plan_tells_where_a_person_must_decide() -> None:
    lines = list(plan(GatePolicy(min_accuracy=0.5, min_macro_f1=0.4, margin=0.0175), 3589))
    assert (
        lines[1]
        == "They resolve that margin while the two models differ on at most 17.8% of the rows."
    )
    of_share = {line.split()[0]: line for line in lines if line[:1].isdigit() and "points" in line}
    assert "87.6%" in of_share["14%"]
    assert "a person decides" in of_share["18%"]
