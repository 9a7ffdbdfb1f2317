"""The gate's tests, as functions of counts. All work on numbers and on arrays of them, row by row.

Throughout: b rows that only the challenger gets right, c rows that only the other model does, n
rows in all, p = (b + c) / n their share, d = (b - c) / n the difference of accuracies.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Number = Any  # a number or an array of them
Floats = npt.NDArray[np.float64]


def normal_quantile(share: float) -> float:
    """Return the value below which ``share`` of a standard normal lies."""
    return NormalDist().inv_cdf(share)


def paired_interval(b: Number, c: Number, n: Number, alpha: float) -> tuple[Number, Number]:
    """Bounds of d that err with probability ``alpha`` each: d -+ z * sqrt((p - d^2) / n).

    The variance is that of a difference of correlated proportions (McNemar 1947; Fleiss, Levin and
    Paik 2003, "Statistical Methods for Rates and Proportions", section 13.1), not assumed equal
    under a hypothesis.
    """
    p, d = (b + c) / n, (b - c) / n
    reach = normal_quantile(1 - alpha) * np.sqrt(np.maximum(p - d * d, 0.0) / n)
    return d - reach, d + reach


def change_interval(b: int, c: int, n: int) -> tuple[float, float]:
    """95 % interval of d for tables of any size, half a row added to each of the four cells.

    Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions":
    it stays honest where `paired_interval` has no width, as with b = c = 0.
    """
    low, high = paired_interval(b + 0.5, c + 0.5, n + 2, 0.025)
    return max(-1.0, float(low)), min(1.0, float(high))


def smallest_margin(p: float, n: int, alpha: float, power: float) -> float:
    """Return the margin that n rows resolve.

    An equal challenger shows it with probability ``power``.

    Connor 1987, "Sample size for testing differences in proportions for the paired-sample design",
    equation 4 at d = 0.
    """
    return (normal_quantile(1 - alpha) + normal_quantile(power)) * math.sqrt(p / n)


def rows_needed(p: float, margin: float, alpha: float, power: float) -> int:
    """Return the rows that ``margin`` needs, `smallest_margin` solved for n."""
    return math.ceil(p * ((normal_quantile(1 - alpha) + normal_quantile(power)) / margin) ** 2)


def mcnemar(b: Number, c: Number) -> Number:
    """McNemar's exact test: two-sided p-value of b against Binomial(b + c, 1/2)."""
    from scipy.special import bdtr  # scipy takes most of a second to import

    return np.minimum(1.0, 2 * bdtr(np.minimum(b, c), b + c, 0.5))


def sign_test_of_harm(b: Number, c: Number) -> Number:
    """One-sided exact p-value of "the challenger is no worse".

    The chance of b or fewer of Binomial(b + c, 1/2).
    """
    from scipy.special import bdtr

    return bdtr(b, b + c, 0.5)


def holm(p_values: npt.ArrayLike) -> Floats:
    """Return adjusted p-values of a family (Holm 1979).

    Rejecting those of at most alpha errs at all with probability at most alpha.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def spent(alpha: float, look: int) -> float:
    """Return the part of ``alpha`` that the look of this number may spend: 6 alpha / (pi^2 look^2).

    Over all looks ever it adds up to alpha.
    """
    return 6 * alpha / (math.pi * look) ** 2
