"""All that the gate knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.evaluation.scoring import bootstrap, sums
from components.evaluation.scoring.bootstrap import Resampler
from components.evaluation.scoring.slices import Slice
from components.evaluation.scoring.sums import Figures, Labels, Table
from components.shared.findings import ServingFindings
from components.shared.preset import GatePolicy


@dataclass(frozen=True)
class Paired:
    """Two models on the same rows.

    B that only the challenger gets right, c that only the other does, n in all.
    """

    b: int
    c: int
    n: int

    @property
    def difference(self) -> float:
        """Accuracy of the challenger minus that of the other."""
        return (self.b - self.c) / self.n

    @property
    def discordant(self) -> float:
        """Share of rows that exactly one of them gets right."""
        return (self.b + self.c) / self.n


@dataclass(frozen=True)
class Answers:
    """Rows, and what every model answers for them.

    Attributes:
        labels: int64 ``[n]``, true. groups: int64 ``[n]``, equal for copies of one picture.
        slices: as the policy names them.
        probabilities: ``[n, k]`` by role: challenger and, where there is one, champion and anchor.
    """

    labels: Labels
    groups: npt.NDArray[np.int64]
    slices: tuple[Slice, ...]
    probabilities: Mapping[str, Table]

    def __len__(self) -> int:
        return len(self.labels)

    def right(self, role: str) -> npt.NDArray[np.bool_]:
        """Return which rows a model gets right, bool ``[n]``."""
        return self._right[role]

    @cached_property
    def _right(self) -> dict[str, npt.NDArray[np.bool_]]:
        return {
            role: np.asarray(table.argmax(axis=1) == self.labels)
            for role, table in self.probabilities.items()
        }

    def accuracy(self, role: str) -> float:
        """Share of the rows that are answered right."""
        return float(self.right(role).mean())

    def paired(self, other: str, member: npt.NDArray[np.bool_] | None = None) -> Paired:
        """Challenger and another model, on all rows or those of a subset."""
        ours, theirs = self.right("challenger"), self.right(other)
        if member is not None:
            ours, theirs = ours[member], theirs[member]
        return Paired(int((ours & ~theirs).sum()), int((~ours & theirs).sum()), len(ours))

    @cached_property
    def figures(self) -> dict[str, Figures]:
        """Point figures of every model."""
        return {
            role: sums.point_figures(self.labels, table)
            for role, table in self.probabilities.items()
        }


@dataclass(frozen=True)
class Case:
    """All that the gate knows.

    Attributes:
        labels: names, in the order of the outputs. versions: by role.
        held_out: validation rows, None where there are none. test: test rows, None for a challenger
            that the pre-screen stopped before they were scored.
        look: number of this look at the test rows, from the ledger. test_set: their identity.
        resampler: of the bootstrap.
    """

    model_name: str
    labels: tuple[str, ...]
    versions: Mapping[str, str]
    held_out: Answers | None
    test: Answers | None
    serving: ServingFindings
    policy: GatePolicy
    look: int = 1
    test_set: str = ""
    resampler: Resampler = bootstrap.resampled

    @property
    def tested(self) -> Answers:
        """The test rows. Only for families that come after the pre-screen."""
        if self.test is None:
            raise ValueError("the test rows weren't scored")
        return self.test

    @cached_property
    def resampled(self) -> dict[str, Figures]:
        """Figures of challenger and champion on the same resamples of the test rows."""
        judged = {
            role: table
            for role, table in self.tested.probabilities.items()
            if role in ("challenger", "champion")
        }
        rows = self.tested
        return bootstrap.paired_bootstrap(
            rows.labels, judged, rows.groups, self.policy.resamples, resampler=self.resampler
        )
