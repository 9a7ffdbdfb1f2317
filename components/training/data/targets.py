"""What a network should answer: one distribution over the labels per row, weighted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def targets(
    labels: npt.NDArray[np.integer], distributions: Floats, weights: Floats, smoothing: float
) -> Floats:
    """Float32 ``[n, labels]``: each row's distribution, smoothed, times its weight.

    The loss is linear in it.

    Args:
        labels: int ``[n]``. distributions: float32 ``[n, labels]``, annotators' votes; a row of
            zeros has none and counts as its label alone (Barsoum et al. 2016, "Training Deep
            Networks ... with Crowd-Sourced Label Distribution", section 4.4).
        weights: float32 ``[n]``. smoothing: share that is spread over all labels (Szegedy et al.
            2016, section 7).
    """
    count = distributions.shape[1]
    totals = distributions.sum(axis=1, keepdims=True)
    one_hot = np.eye(count, dtype=np.float32)[labels]
    sharp = np.where(totals > 0, distributions / np.where(totals > 0, totals, 1), one_hot)
    return (((1 - smoothing) * sharp + smoothing / count) * weights[:, None]).astype(np.float32)


def log_frequencies(
    labels: npt.NDArray[np.integer], repeats: npt.NDArray[np.integer], count: int
) -> Floats:
    """Natural logarithm of each label's share of an epoch's draws, float32 ``[count]``.

    An absent label counts as one row.
    """
    draws = np.maximum(np.bincount(labels, weights=repeats, minlength=count), 1)
    return np.log(draws / draws.sum()).astype(np.float32)
