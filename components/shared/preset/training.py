"""How class imbalance is answered and how a model is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from components.shared.preset.checks import require


@dataclass(frozen=True)
class ResamplingPolicy:
    """How class imbalance is answered; only training rows are ever resampled.

    Attributes:
        strategy: none; oversample and undersample change how often a row is seen; class-weights
            (inverse frequency) and effective-number (Cui et al. 2019) change how much it counts.
            The default is what serves rare classes best in a short training on FER2013
            (benchmarks/imbalance.py).
        max_repeats: how often one row may be seen in an epoch at most.
        beta: of effective-number; 0 counts every row alike, towards 1 the weights near the inverse
            frequency.
    """

    strategy: Literal["none", "oversample", "undersample", "class-weights", "effective-number"] = (
        "oversample"
    )
    max_repeats: int = 10
    beta: float = 0.9999

    def __post_init__(self) -> None:
        require(0 <= self.beta < 1, "beta", "at least 0 and below 1", self.beta)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image; 0 or False switches one off.

    Attributes:
        flip: mirror left and right, half of the time.
        rotation_degrees, zoom, shift: largest change; zoom and shift as a share of the size. Shifts
            are whole pixels.
        brightness, contrast: largest change as a share of the full range.
        noise: largest standard deviation of Gaussian noise, as a share of the full range.
        erasing: share of the images in which one rectangle is covered (Zhong et al. 2020, "Random
            Erasing").
        mixup: both parameters of the beta distribution that two images are mixed by (Zhang et al.
            2018, "mixup").
    """

    flip: bool = True
    rotation_degrees: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in ("zoom", "shift", "brightness", "contrast", "noise", "erasing"):
            require(0 <= getattr(self, name) <= 1, name, "a share from 0 to 1", getattr(self, name))
        require(self.zoom < 1, "zoom", "below 1", self.zoom)
        require(
            0 <= self.rotation_degrees <= 180, "rotation_degrees", "0 to 180", self.rotation_degrees
        )
        require(0 <= self.mixup <= 10, "mixup", "0 to 10", self.mixup)


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own optimizer.

    Attributes:
        epochs: at most so many.
        optimizer: name in the training component's registry of optimizers; sgd has Nesterov
            momentum.
        learning_rate: at the start of the stage, after the warm-up.
        schedule: constant; cosine down to nearly 0 over the stage's epochs; plateau: a fifth of the
            rate after two epochs without a better held-out score.
        patience: epochs without a better held-out score after which the stage ends.
        warmup_epochs: in which the rate rises to ``learning_rate`` step by step.
        weight_decay: decoupled from the gradient, on kernels only (Loshchilov and Hutter 2019).
        frozen: share of a backbone's layers, from its input, that this stage leaves as they are; 1
            trains the head alone.
    """

    epochs: int
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    patience: int = 5
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    frozen: float = 0.0

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        require(
            0 < self.learning_rate < 10, "learning_rate", "between 0 and 10", self.learning_rate
        )
        require(
            0 <= self.warmup_epochs < self.epochs,
            "warmup_epochs",
            f"at least 0 and fewer than {self.epochs}",
            self.warmup_epochs,
        )
        require(
            0 <= self.weight_decay < 1, "weight_decay", "at least 0 and below 1", self.weight_decay
        )
        require(0 <= self.frozen <= 1, "frozen", "a share from 0 to 1", self.frozen)


@dataclass(frozen=True)
class PretrainedWeights:
    """The weights that a backbone starts from; its batch norm then stays in inference mode.

    Attributes:
        uri: ``imagenet`` for Keras's own download, or a file in Keras's weight layout: a path,
            gs:// or s3://.
        sha256: of that file, checked when given.
    """

    uri: str = "imagenet"
    sha256: str = ""

    def __post_init__(self) -> None:
        require(self.uri != "", "uri", "imagenet, a path, gs://... or s3://...", self.uri)
        require(
            re.fullmatch(r"([0-9a-f]{64})?", self.sha256) is not None,
            "sha256",
            "64 hex digits, or nothing",
            self.sha256,
        )


@dataclass(frozen=True)
class TrainingPolicy:
    """How a model is trained.

    Attributes:
        architecture: name in the training component's registry of architectures.
        stages: run one after the other, each from the best weights of the one before.
        synthetic: how an oversampled row's repetitions are changed, which makes them synthetic
            minority examples; None: like every image.
        label_smoothing: share of the target spread over all labels (Szegedy et al. 2016).
        focal_gamma: how much less an easy row counts (Lin et al. 2017, "Focal Loss"); 0 is plain
            cross-entropy.
        logit_adjustment: factor of the log class frequencies added to the logits in the loss (Menon
            et al. 2021).
        soft_labels: train on a row's ``label_distribution`` where it has one.
        average_weights: momentum of the moving average of weights that is scored and kept; 0 keeps
            the weights themselves.
        test_time_augmentation: flip: the served file averages the logits of the image and its
            mirror image.
        pretrained: what a backbone starts from; None: random weights.
        reuse_model: take the champion of the same architecture, labels and input, where there is
            one, instead of training.
        memory_budget_bytes: decoded images up to this size stay in memory; more are decoded again
            in every epoch.
        device: what training needs on a cluster, and so how large its tasks are; at a desk it takes
            what there is.
        devices: one, or all GPUs of the machine, each with a share of every batch.
        precision: mixed computes in 16 bits on devices that have it (with TensorFlow, CPUs too),
            and is float32 elsewhere.
        monitor: the held-out score that early stopping and the best checkpoint follow.
        seed: of weights, order of rows and augmentation.
    """

    architecture: str
    stages: tuple[Stage, ...]
    batch_size: int = 64
    augmentation: Augmentation = Augmentation()
    synthetic: Augmentation | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    logit_adjustment: float = 0.0
    soft_labels: bool = False
    dropout: float = 0.3
    l2: float = 0.0
    average_weights: float = 0.0
    test_time_augmentation: Literal["none", "flip"] = "none"
    pretrained: PretrainedWeights | None = None
    reuse_model: bool = False
    memory_budget_bytes: int = 4_000_000_000
    device: Literal["cpu", "gpu"] = "cpu"
    devices: Literal["one", "all"] = "one"
    precision: Literal["float32", "mixed"] = "float32"
    monitor: Literal["accuracy", "loss"] = "accuracy"
    seed: int = 7

    def __post_init__(self) -> None:
        require(len(self.stages) >= 1, "stages", "at least one", self.stages)
        require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
        require(
            0 <= self.label_smoothing < 1,
            "label_smoothing",
            "at least 0 and below 1",
            self.label_smoothing,
        )
        require(0 <= self.focal_gamma <= 10, "focal_gamma", "0 to 10", self.focal_gamma)
        require(
            0 <= self.logit_adjustment <= 10, "logit_adjustment", "0 to 10", self.logit_adjustment
        )
        require(
            0 <= self.average_weights < 1,
            "average_weights",
            "at least 0 and below 1",
            self.average_weights,
        )
