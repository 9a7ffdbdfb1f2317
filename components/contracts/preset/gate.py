"""What a challenger must show to be promoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GatePolicy:
    """What a challenger must show to be promoted.

    Attributes:
        min_accuracy, min_macro_f1: absolute floors.
        min_gain_over_majority: accuracy above that of always answering the most frequent class.
        max_accuracy_drop, max_macro_f1_drop, max_recall_drop: against the champion on the same rows.
        min_rows_per_class: classes with fewer test rows aren't judged on recall.
        max_model_bytes: of the served file.
        max_golden_difference: between served and evaluated probabilities.
        first_model: what happens when nothing serves yet and the floors are cleared.
    """

    min_accuracy: float
    min_macro_f1: float
    min_gain_over_majority: float = 0.1
    max_accuracy_drop: float = 0.02
    max_macro_f1_drop: float = 0.03
    max_recall_drop: float = 0.1
    min_rows_per_class: int = 100
    max_model_bytes: int = 50_000_000
    max_golden_difference: float = 1e-4
    first_model: Literal["promote", "ask"] = "ask"
