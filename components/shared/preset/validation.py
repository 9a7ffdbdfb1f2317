"""When the data stops a run before training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from components.shared.errors import UnknownNameError
from components.shared.preset.checks import require

Severity = Literal["critical", "warning", "info"]

# Every rule by name, and what it counts for unless a preset says otherwise. Critical: training on
# such data, or judging with it, would be wrong, so the run stops. Warning: worth a look. Info: a
# reader wants to know.
RULES: dict[str, Severity] = {
    "columns": "critical",
    "rows as marked": "critical",
    "label order": "critical",
    "known labels": "critical",
    "known splits": "critical",
    "soft labels": "critical",
    "unique example ids": "critical",
    "split leakage": "critical",
    "held-out groups": "warning",
    "one label per content": "info",
    "training rows per class": "critical",
    "test rows per class": "critical",
    "held-out rows per class": "warning",
    "largest class share": "critical",
    "smallest class share": "critical",
    "reject rate": "critical",
    "image width": "warning",
    "image height": "warning",
    "brightness": "warning",
    "near-constant images": "info",
    "measures present": "warning",
    "schema": "critical",
    "curated schema": "warning",
    "drift": "warning",
    "label drift": "critical",
    "brightness drift": "critical",
    "contrast drift": "critical",
    "sharpness drift": "critical",
    "entropy drift": "critical",
    "drift within classes": "warning",
    "label skew": "critical",
    "brightness skew": "critical",
    "contrast skew": "critical",
    "sharpness skew": "critical",
    "entropy skew": "critical",
    "doubtful labels": "warning",
}


@dataclass(frozen=True)
class ValidationPolicy:
    """When the data stops a run before training.

    Attributes:
        min_train_per_class: training rows that every class needs.
        min_test_per_class: test rows that every class needs.
        max_class_share: largest share of one class among training rows.
        min_class_share: smallest share of one class among training rows.
        max_reject_rate: largest share of rejected files among those read.
        max_label_drift: largest L-infinity distance of class shares to the last accepted snapshot.
        max_feature_drift: largest Jensen-Shannon divergence of a numeric column to that snapshot.
        max_split_skew: largest L-infinity distance of class shares between training and test.
        max_feature_skew: largest Jensen-Shannon divergence of a numeric column between training and
            test.
        max_doubtful_share: largest share of labels that the label-noise report doubts.
        severities: rule name to severity, where a preset sees it differently from `RULES`. A drift
            or skew that is less than twice its bound, or measured on few rows, is never more than a
            warning.
    """

    min_train_per_class: int = 20
    min_test_per_class: int = 5
    max_class_share: float = 0.6
    max_reject_rate: float = 0.05
    max_label_drift: float = 0.1
    max_feature_drift: float = 0.1
    max_split_skew: float = 0.1
    min_class_share: float = 0.005
    max_feature_skew: float = 0.1
    max_doubtful_share: float = 0.3
    severities: dict[str, Severity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.severities:
            if name not in RULES:
                raise UnknownNameError("validation rule", name, RULES)
        shares = (self.min_class_share, self.max_class_share)
        require(
            0 <= shares[0] < shares[1] <= 1,
            "min_class_share to max_class_share",
            "two rising shares from 0 to 1",
            shares,
        )

    def severity(self, rule: str) -> Severity:
        """Return what a failure of ``rule`` (a name in `RULES`) counts for."""
        return self.severities.get(rule, RULES[rule])
