"""Statistics that several components report, each defined once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

CALIBRATION_BINS = 15

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer]


def calibration_bin(confidence: Floats) -> npt.NDArray[np.int64]:
    """Return the bin of each confidence.

    (0, 1/15], (1/15, 2/15], ... (Guo et al. 2017, section 3).
    """
    return np.digitize(confidence, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], right=True)


def expected_calibration_error(probabilities: Floats, labels: Labels) -> float:
    """Return the ECE, 0 (best) to 1: the mean gap between confidence and accuracy over the bins.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 3.

    Args:
        probabilities: ``[n, labels]``.
        labels: ``[n]``, index of each row's label.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = calibration_bin(confidence)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def clopper_pearson(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Return exact bounds of a share, each of which errs with probability at most ``alpha``.

    Clopper and Pearson, Biometrika 1934. Without a success the upper one is ``1 - alpha^(1/n)``,
    at 95 % close below the rule of three's ``3/n`` (Hanley and Lippman-Hand, JAMA 1983).
    """
    if n == 0:
        return 0.0, 1.0
    if successes > n / 2:  # the shorter sums
        low, high = clopper_pearson(n - successes, n, alpha)
        return 1 - high, 1 - low
    low = 0.0
    if successes > 0:
        low = _least(lambda share: 1 - _at_most(successes - 1, n, share) >= alpha)
    return low, _least(lambda share: _at_most(successes, n, share) <= alpha)


def percentile_95(values: Sequence[float]) -> float | None:
    """Return the least of the values that 95 % of them don't exceed; None where there are none."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else None


def _at_most(successes: int, n: int, share: float) -> float:
    """Return the probability of at most so many successes, in logarithms lest it underflow."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 1.0 if successes >= n else 0.0
    hit, miss, total = math.log(share), math.log1p(-share), math.lgamma(n + 1)
    terms = (
        total - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * hit + (n - k) * miss
        for k in range(successes + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def _least(reached: Callable[[float], bool]) -> float:
    """Return the share from which on ``reached``, which is monotonic, holds; by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
