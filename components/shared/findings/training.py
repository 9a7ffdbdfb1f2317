"""What train found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainFindings:
    """train: how it went.

    Attributes:
        history: per epoch, keys accuracy, loss, val_accuracy, val_loss, learning_rate, seconds,
            images_per_second.
        best_epoch: 1-based epoch whose weights were kept.
        stages: first epoch (1-based) of each stage.
        export_difference: largest difference of probabilities between the three exported files.
        ece_before, ece_after: expected calibration error on held-out rows, before and after the
            temperature.
        backend: Keras's, tensorflow or jax.
        images_from: memory, or decoded again in every epoch.
        compared_images: how many the exported files were compared on.
        pretrained_sha256: of the weights that the backbone started from; empty where it started
            from random ones.
        reused_version: version of the model that was taken instead of training; empty when it was
            trained. The history is then that model's, without times.
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
    backend: str = "tensorflow"
    images_from: Literal["memory", "stream"] = "memory"
    compared_images: int = 0
    pretrained_sha256: str = ""
    reused_version: str = ""
