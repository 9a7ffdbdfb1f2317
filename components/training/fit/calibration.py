"""One temperature for the logits, fitted on held-out rows (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.statistics import expected_calibration_error

Floats = npt.NDArray[np.float64]

COLDEST, HOTTEST = 0.1, 10.0


@dataclass(frozen=True)
class Calibration:
    """The temperature, and what it does to the held-out rows."""

    temperature: float
    accuracy: float
    ece_before: float
    ece_after: float


def calibrate(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> Calibration:
    """Fit the temperature on logits ``[n, labels]`` of held-out rows."""
    temperature = fit_temperature(logits, labels)
    before, after = (
        expected_calibration_error(probabilities(logits, value), labels)
        for value in (1.0, temperature)
    )
    return Calibration(temperature, float((logits.argmax(axis=1) == labels).mean()), before, after)


def probabilities(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Softmax of ``logits / temperature``, float64 ``[n, labels]``."""
    return np.exp(_log_softmax(logits, temperature))


def negative_log_likelihood(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Mean of -log p(label), natural logarithm."""
    return float(-_log_softmax(logits, temperature)[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Return the temperature between 0.1 and 10 with the least negative log-likelihood.

    That is convex in 1/T, so a golden-section search finds it. The bounds matter where every row is
    right or every row is wrong: there the best temperature would be 0 or infinite.
    """
    low, high = 1 / HOTTEST, 1 / COLDEST
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-6:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if negative_log_likelihood(logits, labels, 1 / left) <= negative_log_likelihood(
            logits, labels, 1 / right
        ):
            high = right
        else:
            low = left
    return 2 / (low + high)


def _log_softmax(logits: npt.NDArray[np.floating], temperature: float) -> Floats:
    scaled = logits.astype(np.float64) / temperature
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
