"""What train found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainFindings:
    """train: how it went.

    Attributes:
        history: per epoch, keys accuracy, loss, val_accuracy, val_loss, learning_rate, seconds.
        best_epoch: 1-based epoch whose weights were kept.
        stages: first epoch (1-based) of each stage.
        export_difference: largest difference of probabilities between the three exported files.
        ece_before, ece_after: expected calibration error on held-out rows, before and after the temperature.
    """

    architecture: str
    parameters: int
    device: str
    seed: int
    train_rows: int
    validation_rows: int
    history: dict[str, tuple[float, ...]]
    best_epoch: int
    stages: tuple[int, ...]
    images_per_second: float
    temperature: float
    ece_before: float
    ece_after: float
    export_difference: float
    file_bytes: dict[str, int]
