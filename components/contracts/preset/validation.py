"""When the data stops a run before training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ValidationPolicy:
    """When the data stops a run before training.

    Attributes:
        min_train_per_class: training rows that every class needs.
        min_test_per_class: test rows that every class needs.
        max_class_share: largest share of one class among training rows.
        max_reject_rate: largest share of rejected files among those read.
        max_label_drift: largest L-infinity distance of class shares to the last accepted snapshot.
        max_feature_drift: largest Jensen-Shannon divergence of a numeric column to that snapshot.
        max_split_skew: largest L-infinity distance of class shares between training and test.
    """

    min_train_per_class: int = 20
    min_test_per_class: int = 5
    max_class_share: float = 0.6
    max_reject_rate: float = 0.05
    max_label_drift: float = 0.1
    max_feature_drift: float = 0.1
    max_split_skew: float = 0.1
