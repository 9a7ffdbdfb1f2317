"""What a challenger must show to be promoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.shared.preset.checks import require


@dataclass(frozen=True)
class GatePolicy:
    """What a challenger must show to be promoted.

    Shares and differences are fractions: 0.0175 is 1.75 points.

    Attributes:
        min_accuracy, min_macro_f1: absolute floors.
        min_gain_over_majority: floor of the accuracy above that of always answering the most
            frequent class.
        margin: how much worse than the champion a challenger may be and still count as not
            inferior; to the anchor, twice that.
        alpha: one-sided level of each family of tests. power: that the margin must be resolvable
            with.
        min_rows: a class or slice with fewer rows isn't judged for harm.
        insufficient_evidence: whether such a class or slice is only reported, or asks for approval.
        slices: columns of the examples (or size) whose values and bins are judged for harm.
        resamples: of the paired bootstrap.
        max_model_bytes: of the served file.
        max_golden_difference: between served and evaluated probabilities.
        max_p95_ratio: 95th percentile of latency against the champion's. max_cold_start_seconds:
            until the server is ready.
        first_model: what happens when nothing serves yet and the floors are cleared.
    """

    min_accuracy: float
    min_macro_f1: float
    min_gain_over_majority: float = 0.1
    margin: float = 0.0175
    alpha: float = 0.05
    power: float = 0.8
    min_rows: int = 100
    insufficient_evidence: Literal["report", "ask"] = "report"
    slices: tuple[str, ...] = ("brightness", "contrast", "size", "source")
    resamples: int = 10_000
    max_model_bytes: int = 50_000_000
    max_golden_difference: float = 1e-4
    max_p95_ratio: float = 1.1
    max_cold_start_seconds: float = 60.0
    first_model: Literal["promote", "ask"] = "ask"

    def __post_init__(self) -> None:
        require(0 < self.margin <= 1, "margin", "above 0, at most 1", self.margin)
        require(0 < self.alpha < 0.5, "alpha", "between 0 and 0.5", self.alpha)
        require(0.5 <= self.power < 1, "power", "0.5 or more, below 1", self.power)
        require(self.min_rows >= 1, "min_rows", "at least 1", self.min_rows)
        require(
            1000 <= self.resamples <= 1_000_000, "resamples", "1,000 to 1,000,000", self.resamples
        )
