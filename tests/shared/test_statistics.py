"""Statistics that several components report."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.shared.statistics import (
    calibration_bin,
    clopper_pearson,
    expected_calibration_error,
    percentile_95,
)


def test_percentile() -> None:
    assert percentile_95([]) is None
    assert percentile_95(range(1, 101)) == 95
    assert percentile_95([math.pi]) == math.pi


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 10), (10, 10), (5, 10), (3200, 3589), (1, 10**5), (20_000, 32_298)]
)
@pytest.mark.parametrize("alpha", [0.025, 0.05])
def test_clopper_pearson_is_scipys_beta(successes: int, n: int, alpha: float) -> None:
    beta = pytest.importorskip("scipy.stats").beta
    low = beta.ppf(alpha, successes, n - successes + 1) if successes else 0.0
    high = beta.ppf(1 - alpha, successes + 1, n - successes) if successes < n else 1.0
    assert clopper_pearson(successes, n, alpha) == pytest.approx((low, high), abs=1e-12)


def test_nothing_observed_bounds_nothing() -> None:
    assert clopper_pearson(0, 0, 0.05) == (0.0, 1.0)


def test_calibration_bins_are_closed_above() -> None:
    assert calibration_bin(np.array([1 / 15, np.nextafter(1 / 15, 1), 1.0])).tolist() == [0, 1, 14]


def test_calibration_error() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert expected_calibration_error(sure, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.3)
    assert expected_calibration_error(np.array([[1.0, 0.0]] * 4), np.zeros(4, int)) == 0
