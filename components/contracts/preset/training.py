"""How class imbalance is answered and how a model is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.contracts.preset.checks import require


@dataclass(frozen=True)
class ResamplingPolicy:
    """How class imbalance is answered; only training rows are ever resampled.

    Attributes:
        strategy: none; oversample and undersample change how often a row is seen; class-weights
            changes how much it counts.
        max_repeats: how often one row may be seen in an epoch at most.
    """

    strategy: Literal["none", "oversample", "undersample", "class-weights"] = "none"
    max_repeats: int = 10


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; 0 or False switches one off.

    Attributes:
        flip: mirror left and right, half of the time.
        rotation_degrees, zoom, shift: largest change; zoom and shift as a share of the size.
        brightness, contrast: largest change as a share of the full range.
    """

    flip: bool = True
    rotation_degrees: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own optimizer.

    Attributes:
        epochs: at most so many.
        optimizer: name in the training component's registry of optimizers.
        learning_rate: at the start of the stage.
        schedule: constant, or cosine down to 1 % over the stage's epochs.
        patience: epochs without a better held-out score after which the stage ends.
    """

    epochs: int
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    patience: int = 5

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        require(0 < self.learning_rate < 10, "learning_rate", "between 0 and 10", self.learning_rate)


@dataclass(frozen=True)
class TrainingPolicy:
    """How a model is trained.

    Attributes:
        architecture: name in the training component's registry of architectures.
        stages: run one after the other, each from the best weights of the one before.
        monitor: the held-out score that early stopping and the best checkpoint follow.
        seed: of weights, order of rows and augmentation.
    """

    architecture: str
    stages: tuple[Stage, ...]
    batch_size: int = 64
    augmentation: Augmentation = Augmentation()
    label_smoothing: float = 0.0
    dropout: float = 0.3
    l2: float = 0.0
    monitor: Literal["accuracy", "loss"] = "accuracy"
    seed: int = 7

    def __post_init__(self) -> None:
        require(len(self.stages) >= 1, "stages", "at least one", self.stages)
        require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
