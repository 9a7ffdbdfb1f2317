"""The answers to class imbalance, one pure function each.

Every strategy takes the training rows' labels and gives repeats and a weight per row. Rows of a
class without a single row can't be drawn from anything: such a class stays absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.shared.errors import InputError, UnknownNameError
from components.shared.preset import ResamplingPolicy

if TYPE_CHECKING:
    from imblearn.base import BaseSampler

Labels = npt.NDArray[np.str_]
Repeats = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Plan:
    """What becomes of the training rows.

    Attributes:
        repeats: int32 ``[rows]``, how often a row is seen in one epoch; 0 leaves it out.
        class_weights: how much a row of each label present counts in the loss; 1 in the mean over
            the rows.
    """

    repeats: Repeats
    class_weights: dict[str, float]


Strategy = Callable[[Labels, ResamplingPolicy, int], Plan]


def draw(policy: ResamplingPolicy, labels: Labels, seed: int) -> Plan:
    """Apply the policy's strategy to rows with these ``labels``.

    The same arguments give the same plan.

    Raises:
        UnknownNameError: there is no such strategy; the nearest is suggested.
        InputError: ``max_repeats`` would leave every row out.
    """
    strategy, max_repeats = policy.strategy, policy.max_repeats
    if strategy not in STRATEGIES:
        raise UnknownNameError("resampling strategy", strategy, STRATEGIES)
    if max_repeats < 1:
        raise InputError(
            "max_repeats is out of range", expected="at least 1", received=str(max_repeats)
        )
    return STRATEGIES[strategy](labels, policy, seed)


def keep(labels: Labels, policy: ResamplingPolicy, seed: int) -> Plan:
    """Every row once, all of the same weight."""
    return Plan(np.ones(len(labels), np.int32), _even_weights(labels))


def oversample(labels: Labels, policy: ResamplingPolicy, seed: int) -> Plan:
    """Repeat random rows until every class is as large as the largest, no row more than ``max_repeats`` times.

    A class too small for that reaches its size times ``max_repeats``.
    """
    counts = _counts(labels)
    if len(counts) < 2:
        return keep(labels, policy, seed)
    from imblearn.over_sampling import (
        RandomOverSampler,
    )  # a second of imports that the other strategies don't need

    largest = max(counts.values())
    targets = {
        label: max(count, min(largest, count * policy.max_repeats))
        for label, count in counts.items()
    }
    sampler = RandomOverSampler(sampling_strategy=targets, random_state=seed)
    repeats = _drawn(sampler, labels)
    for label in counts:
        mine = labels == label
        repeats[mine] = _capped(repeats[mine], policy.max_repeats)
    return Plan(repeats, _even_weights(labels))


def undersample(labels: Labels, policy: ResamplingPolicy, seed: int) -> Plan:
    """Leave random rows out until every class is as small as the smallest that has rows."""
    if len(_counts(labels)) < 2:
        return keep(labels, policy, seed)
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler(
        sampling_strategy="not minority", random_state=seed, replacement=False
    )
    return Plan(_drawn(sampler, labels), _even_weights(labels))


def class_weights(labels: Labels, policy: ResamplingPolicy, seed: int) -> Plan:
    """Every row once, weighted by the inverse of its class's frequency (King and Zeng 2001, section 4.2)."""
    return _weighted(labels, lambda count: 1 / count)


def effective_number(labels: Labels, policy: ResamplingPolicy, seed: int) -> Plan:
    """Every row once, weighted by the inverse of its class's effective number of rows (Cui et al. 2019, equation 2)."""
    return _weighted(labels, lambda count: (1 - policy.beta) / (1 - policy.beta**count))


STRATEGIES: dict[str, Strategy] = {
    "none": keep,
    "oversample": oversample,
    "undersample": undersample,
    "class-weights": class_weights,
    "effective-number": effective_number,
}


def _weighted(labels: Labels, weight_of: Callable[[int], float]) -> Plan:
    """Every row once; the weights scaled so that they are 1 in the mean over the rows."""
    counts = _counts(labels)
    raw = {label: weight_of(count) for label, count in counts.items()}
    mean = sum(raw[label] * count for label, count in counts.items()) / len(labels)
    return Plan(
        np.ones(len(labels), np.int32), {label: weight / mean for label, weight in raw.items()}
    )


def _counts(labels: Labels) -> dict[str, int]:
    names, counts = np.unique(labels, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _even_weights(labels: Labels) -> dict[str, float]:
    return dict.fromkeys(_counts(labels), 1.0)


def _drawn(sampler: BaseSampler, labels: Labels) -> Repeats:
    """How often imbalanced-learn's ``sampler`` draws each row.

    It sees row numbers in the place of features.
    """
    sampler.fit_resample(np.arange(len(labels)).reshape(-1, 1), labels)
    drawn = np.bincount(sampler.sample_indices_, minlength=len(labels))
    return drawn.astype(np.int32)


def _capped(repeats: Repeats, cap: int) -> Repeats:
    """Move draws beyond ``cap`` to the rows of the same class that were drawn least.

    Their sum stays.

    Draws are with replacement, so some rows come out above the cap although their class fits below
    it.
    """
    capped = np.minimum(repeats, cap)
    surplus = int(repeats.sum() - capped.sum())
    while surplus > 0:
        room = np.flatnonzero(capped < cap)
        least = room[np.argsort(capped[room], kind="stable")][:surplus]
        if not len(least):
            break
        capped[least] += 1
        surplus -= len(least)
    return capped
