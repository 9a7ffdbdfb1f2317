"""The sampling plan, honoured exactly: which rows an epoch shows, how often, in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.errors import ContractError

# One stream of random numbers per purpose, so that a change in one leaves the others as they were.
ORDER, AUGMENTATION, SYNTHETIC = 1, 2, 3


@dataclass(frozen=True)
class Plan:
    """Rows of plan.parquet, as arrays of one length.

    Attributes:
        example_ids: of training rows. repeats: int64, draws per epoch. weights: float32, in the
            loss.

    Raises:
        ContractError: an id stands twice, a number is negative or not finite, or no row is ever
            drawn.
    """

    example_ids: tuple[str, ...]
    repeats: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(set(self.example_ids)) != len(self.example_ids):
            raise ContractError(
                "the sampling plan names a row twice",
                expected="one line per training row",
                fix="run resample again",
            )
        if len(self.repeats) and self.repeats.min() < 0:
            raise ContractError(
                "the sampling plan draws a row less than never",
                expected="repeats >= 0",
                received=str(self.repeats.min()),
            )
        if not np.all(np.isfinite(self.weights)) or (len(self.weights) and self.weights.min() < 0):
            raise ContractError(
                "the sampling plan has a weight that can't be used", expected="finite weights >= 0"
            )
        if self.repeats.sum() == 0:
            raise ContractError(
                "the sampling plan draws no row",
                expected="training rows",
                fix="check the split sizes that ingest reported",
            )


def random(seed: int, purpose: int, epoch: int = 0) -> np.random.Generator:
    """Return the random numbers of one purpose in one epoch.

    The same however often training was interrupted before.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, purpose, epoch]))


def epoch_order(
    repeats: npt.NDArray[np.int64], seed: int, epoch: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return an epoch's draws, shuffled.

    Row indices, int64 ``[sum of repeats]``, index i ``repeats[i]`` times; and which are
    repetitions.

    The first draw of each row is the row itself, every further one a repetition.
    """
    rows = np.repeat(np.arange(len(repeats)), repeats)
    firsts = np.cumsum(repeats) - repeats
    order = random(seed, ORDER, epoch).permutation(len(rows))
    return rows[order], (np.arange(len(rows)) != firsts[rows])[order]
