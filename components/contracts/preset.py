"""A preset: everything that makes one retraining what it is, in one frozen value.

It travels as JSON through one pipeline parameter. Each step reads its own section and the data
section; nothing downstream declares again what stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from components.contracts.errors import InputError
from components.contracts.labels import taxonomy


def _require(condition: bool, what: str, expected: str, received: object) -> None:
    if not condition:
        raise InputError(f"{what} is out of range", expected=expected, received=repr(received))


@dataclass(frozen=True)
class ImageSpec:
    """What a model takes: uint8 pixels ``[height, width, channels]``."""

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        _require(8 <= self.height <= 1024 and 8 <= self.width <= 1024, "image size", "8 to 1024 pixels a side", (self.height, self.width))
        _require(self.channels in (1, 3), "image channels", "1 (gray) or 3 (colour)", self.channels)


@dataclass(frozen=True)
class DataPolicy:
    """How a source becomes examples.

    Attributes:
        taxonomy: name in `components.contracts.labels.TAXONOMIES`.
        image: what the model takes.
        test_share: share of content groups in the test split where the source publishes none.
        validation_share: share of training groups held out for early stopping and calibration.
        test_twins: what happens to a training row whose content also stands in test.
    """

    taxonomy: str
    image: ImageSpec
    test_share: float = 0.2
    validation_share: float = 0.1
    test_twins: Literal["leave-training", "keep"] = "leave-training"

    def __post_init__(self) -> None:
        taxonomy(self.taxonomy)
        _require(0 < self.test_share < 0.9, "test_share", "between 0 and 0.9", self.test_share)
        _require(0 < self.validation_share < 0.5, "validation_share", "between 0 and 0.5", self.validation_share)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the model's outputs."""
        return taxonomy(self.taxonomy).labels


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
        _require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        _require(0 < self.learning_rate < 10, "learning_rate", "between 0 and 10", self.learning_rate)


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
        _require(len(self.stages) >= 1, "stages", "at least one", self.stages)
        _require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)


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


@dataclass(frozen=True)
class ServingPolicy:
    """How the model is served and checked.

    Attributes:
        golden_images: test images, as received, that travel with the model.
        check_requests: timed requests of the serving check.
        namespace: where the InferenceService lives.
        min_replicas, max_replicas: autoscaling bounds.
    """

    golden_images: int = 64
    check_requests: int = 100
    namespace: str = "emotion"
    min_replicas: int = 1
    max_replicas: int = 4


@dataclass(frozen=True)
class Preset:
    """One retraining: data, rules, model, gate, serving.

    Attributes:
        name: of the preset.
        model_name: registry entry that its models compete for; presets with other labels or inputs
            never share one.
        summary: one line for people.
    """

    name: str
    model_name: str
    summary: str
    data: DataPolicy
    training: TrainingPolicy
    gate: GatePolicy
    validation: ValidationPolicy = ValidationPolicy()
    resampling: ResamplingPolicy = ResamplingPolicy()
    serving: ServingPolicy = ServingPolicy()

    def __post_init__(self) -> None:
        for name in (self.name, self.model_name):
            _require(
                re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", name) is not None, "name", "lower-case letters, digits and dashes", name
            )
