"""The paired bootstrap.

The same resampled rows for every model, so that what they share cancels (Efron and Tibshirani
1993).

Resampling is stratified by class, as the class counts of a test set are no chance. Copies of a
picture stay together: what is drawn is a group of duplicates, with all its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from components.evaluation.scoring import sums
from components.evaluation.scoring.sums import Figures, Floats, Labels, Table

# Resamples whose weights are in memory at once: 250 x 10,000 groups are 10 MB.
BLOCK = 250
SEED = 20170620

Integers = npt.NDArray[np.int64]
# What `resampled` is: stratum of each group, resamples and seed in; blocks of weights out.
Resampler = Callable[[Integers, int, int], Iterator[npt.NDArray[np.float32]]]


def resampled(stratum: Integers, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    """Weights of groups, float32 ``[at most BLOCK, groups]``.

    How often each is drawn, as often in all as its stratum has groups.

    Args:
        stratum: of each group, ascending.
    """
    _, first, size = np.unique(stratum, return_index=True, return_counts=True)
    first, size = np.repeat(first, size).astype(np.int32), np.repeat(size, size).astype(np.float32)
    rng, count = np.random.default_rng(seed), len(stratum)
    for begin in range(0, resamples, BLOCK):
        rows = min(BLOCK, resamples - begin)
        drawn = (rng.random((rows, count), dtype=np.float32) * size).astype(np.int32) + first
        drawn += np.arange(rows, dtype=np.int32)[:, None] * np.int32(count)
        yield (
            np.bincount(drawn.ravel(), minlength=rows * count)
            .reshape(rows, count)
            .astype(np.float32)
        )


def paired_bootstrap(
    labels: Labels,
    models: Mapping[str, Table],
    groups: Integers,
    resamples: int,
    seed: int = SEED,
    resampler: Resampler = resampled,
) -> dict[str, Figures]:
    """Figures ``[resamples]`` of every model on the same resamples.

    Args:
        labels: int ``[n]``, true. models: probabilities ``[n, k]`` by name.
        groups: int ``[n]``, equal for rows that are copies of one picture.
        resampler: who asks often about rows of the same strata may keep the weights.
    """
    widths = [sums.columns(labels, table) for table in models.values()]
    width = widths[0].shape[1]
    stratum, table = by_group(labels, np.hstack(widths), groups)
    product = np.concatenate([weights @ table for weights in resampler(stratum, resamples, seed)])
    k = next(iter(models.values())).shape[1]
    return {
        name: sums.figures(product[:, place * width : (place + 1) * width], k)
        for place, name in enumerate(models)
    }


def by_group(
    labels: Labels, table: Floats, groups: Integers
) -> tuple[Integers, npt.NDArray[np.float32]]:
    """Return the groups in the order of their strata.

    The stratum of each, ascending, and the sums of its rows, float32.

    A group whose copies carry several labels belongs to the smallest of them: it can stand in one
    stratum only.
    """
    _, place = np.unique(groups, return_inverse=True)
    count = int(place.max()) + 1
    stratum = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(stratum, place, labels)
    summed = np.zeros((count, table.shape[1]))
    np.add.at(summed, place, table)
    order = np.argsort(stratum, kind="stable")
    return stratum[order], summed[order].astype(np.float32)


def p_value_of_harm(harm: Floats) -> float:
    """One-sided p-value of "no harm" from resampled differences, positive where the challenger is worse: the share at or below 0.

    The resample that was observed counts as one (Davison and Hinkley 1997, section 4.2), so it is
    never 0.
    """
    return (1 + int((harm <= 0).sum())) / (1 + len(harm))
