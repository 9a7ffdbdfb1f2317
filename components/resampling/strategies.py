"""The answers to class imbalance, one pure function each.

Every strategy takes the training rows' labels and gives repeats and a weight per row. Rows of a class
without a single row can't be drawn from anything: such a class stays absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.contracts.errors import InputError, UnknownNameError

Labels = npt.NDArray[np.str_]
Repeats = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Plan:
    """What becomes of the training rows.

    Attributes:
        repeats: int32 ``[rows]``, how often a row is seen in one epoch; 0 leaves it out.
        class_weights: how much a row of each label present counts in the loss; 1 in the mean over the rows.
    """

    repeats: Repeats
    class_weights: dict[str, float]


Strategy = Callable[[Labels, int, int], Plan]


def draw(strategy: str, labels: Labels, max_repeats: int, seed: int) -> Plan:
    """Apply the strategy called ``strategy`` to rows with these ``labels``; the same arguments give the same plan.

    Raises:
        UnknownNameError: there is no such strategy; the nearest is suggested.
        InputError: ``max_repeats`` would leave every row out.
    """
    if strategy not in STRATEGIES:
        raise UnknownNameError("resampling strategy", strategy, STRATEGIES)
    if max_repeats < 1:
        raise InputError("max_repeats is out of range", expected="at least 1", received=str(max_repeats))
    return STRATEGIES[strategy](labels, max_repeats, seed)


def keep(labels: Labels, max_repeats: int, seed: int) -> Plan:
    """Every row once, all of the same weight."""
    return Plan(np.ones(len(labels), np.int32), _even_weights(labels))


def oversample(labels: Labels, max_repeats: int, seed: int) -> Plan:
    """Repeat random rows until every class is as large as the largest, no row more than ``max_repeats`` times.

    A class too small for that reaches its size times ``max_repeats``.
    """
    counts = _counts(labels)
    if len(counts) < 2:
        return keep(labels, max_repeats, seed)
    from imblearn.over_sampling import RandomOverSampler  # a second of imports that the other strategies don't need

    largest = max(counts.values())
    targets = {label: max(count, min(largest, count * max_repeats)) for label, count in counts.items()}
    sampler = RandomOverSampler(sampling_strategy=targets, random_state=seed)
    repeats = _drawn(sampler, labels)
    for label in counts:
        mine = labels == label
        repeats[mine] = _capped(repeats[mine], max_repeats)
    return Plan(repeats, _even_weights(labels))


def undersample(labels: Labels, max_repeats: int, seed: int) -> Plan:
    """Leave random rows out until every class is as small as the smallest that has rows."""
    if len(_counts(labels)) < 2:
        return keep(labels, max_repeats, seed)
    from imblearn.under_sampling import RandomUnderSampler

    sampler = RandomUnderSampler(sampling_strategy="not minority", random_state=seed, replacement=False)
    return Plan(_drawn(sampler, labels), _even_weights(labels))


def class_weights(labels: Labels, max_repeats: int, seed: int) -> Plan:
    """Every row once, weighted by the inverse of its class's frequency (King and Zeng 2001, section 4.2)."""
    from sklearn.utils.class_weight import compute_class_weight

    counts = _counts(labels)
    raw = compute_class_weight("balanced", classes=np.array(list(counts)), y=labels)
    mean = sum(weight * count for weight, count in zip(raw, counts.values(), strict=True)) / len(labels)
    weights = {label: float(weight / mean) for label, weight in zip(counts, raw, strict=True)}
    return Plan(np.ones(len(labels), np.int32), weights)


STRATEGIES: dict[str, Strategy] = {
    "none": keep,
    "oversample": oversample,
    "undersample": undersample,
    "class-weights": class_weights,
}


def _counts(labels: Labels) -> dict[str, int]:
    names, counts = np.unique(labels, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _even_weights(labels: Labels) -> dict[str, float]:
    return dict.fromkeys(_counts(labels), 1.0)


def _drawn(sampler: object, labels: Labels) -> Repeats:
    """How often imbalanced-learn's ``sampler`` draws each row; it sees row numbers in the place of features."""
    sampler.fit_resample(np.arange(len(labels)).reshape(-1, 1), labels)  # type: ignore[attr-defined]
    drawn = np.bincount(sampler.sample_indices_, minlength=len(labels))  # type: ignore[attr-defined]
    return drawn.astype(np.int32)


def _capped(repeats: Repeats, cap: int) -> Repeats:
    """Move draws beyond ``cap`` to the rows of the same class that were drawn least; their sum stays.

    Draws are with replacement, so some rows come out above the cap although their class fits below it.
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
