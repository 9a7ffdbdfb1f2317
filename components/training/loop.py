"""The training loop: stages of epochs, each from the best weights so far, saved after every epoch."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.contracts.errors import InputError
from components.contracts.preset import ImageSpec, Stage, TrainingPolicy
from components.training.augmentation import draw
from components.training.backend import Arrays, Trainer
from components.training.calibration import negative_log_likelihood
from components.training.checkpoint import Checkpoint
from components.training.examples import Images
from components.training.optimizers import optimizer_of
from components.training.sampling import AUGMENTATION, epoch_order, random
from components.training.standing import Standing


@dataclass(frozen=True)
class Data:
    """What is trained on and what is held out.

    Attributes:
        repeats: int64 ``[n]``, draws per epoch of each training row; weights: float32 ``[n]``, in the loss.
    """

    training: Images
    repeats: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    validation: Images

    @property
    def draws(self) -> int:
        """Training images per epoch."""
        return int(self.repeats.sum())


@dataclass(frozen=True)
class Watch:
    """Who hears of what.

    Attributes:
        saved: after each epoch, with all that is needed to continue from there.
        epoch: after each epoch, with the standing. batch: after each batch: standing, batches done, batches, mean loss.
    """

    saved: Callable[[Checkpoint], None]
    epoch: Callable[[Standing], None]
    batch: Callable[[Standing, int, int, float], None]


def fit(trainer: Trainer, data: Data, policy: TrainingPolicy, checkpoint: Checkpoint | None, watch: Watch) -> Standing:
    """Train all stages and leave the best weights in the trainer.

    Args:
        checkpoint: where an earlier attempt of the same training ended, or None to start.

    Raises:
        InputError: the loss is no longer a number.
    """
    standing, best = (checkpoint.standing, checkpoint.best) if checkpoint else (Standing(), trainer.weights())
    at_hand = -1  # the stage whose optimizer the trainer holds
    while not standing.over(policy):
        if at_hand != standing.stage:
            _begin(trainer, policy.stages[standing.stage], _batches(data.draws, policy.batch_size), standing, best, checkpoint)
            at_hand, checkpoint = standing.stage, None
        scores = _epoch(trainer, data, policy, standing, watch)
        if standing.improves(scores, policy):
            best = trainer.weights()
        standing = standing.after(scores, policy)
        watch.saved(Checkpoint(standing, *trainer.state(), best))
        watch.epoch(standing)
    trainer.load_weights(best)
    return standing


def _begin(trainer: Trainer, stage: Stage, steps: int, standing: Standing, best: Arrays, checkpoint: Checkpoint | None) -> None:
    """A fresh optimizer; then the variables of the interrupted epoch, or, at the start of a stage, the best weights."""
    trainer.use(optimizer_of(stage, steps))
    if checkpoint is not None:
        trainer.load_network(checkpoint.network)  # also where dropout's random numbers stood
    if checkpoint is not None and standing.stage_epoch:
        trainer.load_optimizer(checkpoint.optimizer)
    else:
        trainer.load_weights(best)


def _epoch(trainer: Trainer, data: Data, policy: TrainingPolicy, standing: Standing, watch: Watch) -> dict[str, float]:
    """One epoch over the plan's draws, then the held-out scores."""
    began, rate, number = time.monotonic(), trainer.learning_rate(), standing.epoch + 1
    rows = epoch_order(data.repeats, policy.seed, number)
    changes = draw(policy.augmentation, _spec(data.training), len(rows), random(policy.seed, AUGMENTATION, number))
    # Batches of nearly equal size: a last one of a few rows would upset batch norm.
    edges = np.linspace(0, len(rows), _batches(len(rows), policy.batch_size) + 1).astype(int)
    loss, right = 0.0, 0
    for index, (start, end) in enumerate(itertools.pairwise(edges), 1):
        batch = rows[start:end]
        images = data.training
        added, correct = trainer.step(images.pixels[batch], images.labels[batch], data.weights[batch], changes[start:end])
        loss, right = loss + added, right + correct
        _refuse_nan(loss, number, policy.stages[standing.stage])
        watch.batch(standing, index, len(edges) - 1, loss / end)
    logits = trainer.logits(data.validation.pixels)
    held_out = negative_log_likelihood(logits, data.validation.labels)
    _refuse_nan(held_out, number, policy.stages[standing.stage])
    return {
        "accuracy": right / len(rows),
        "loss": loss / len(rows),
        "val_accuracy": float((logits.argmax(axis=1) == data.validation.labels).mean()),
        "val_loss": held_out,
        "learning_rate": rate,
        "seconds": round(time.monotonic() - began, 3),
    }


def _batches(draws: int, batch_size: int) -> int:
    return math.ceil(draws / batch_size)


def _spec(images: Images) -> ImageSpec:
    return ImageSpec(*images.pixels.shape[1:])


def _refuse_nan(loss: float, epoch: int, stage: Stage) -> None:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss is no longer a number in epoch {epoch}",
            expected="a finite loss",
            received=str(loss),
            fix=f"lower the stage's learning_rate (now {stage.learning_rate:g}) or its data's weights",
        )
