"""The training loop.

Stages of epochs, each from the best weights so far, saved after every epoch and when asked to stop.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from components.shared.errors import InputError
from components.shared.preset import ImageSpec, Stage, TrainingPolicy
from components.shared.step.frame import Terminated
from components.training.data.augmentation import Changes, draw
from components.training.data.images import Images
from components.training.data.prefetch import ahead
from components.training.data.sampling import AUGMENTATION, SYNTHETIC, epoch_order, random
from components.training.data.targets import targets
from components.training.fit.calibration import negative_log_likelihood
from components.training.fit.checkpoint import Checkpoint
from components.training.fit.loss import Batch, Floats
from components.training.fit.schedules import learning_rate
from components.training.fit.state import Partial, Standing
from components.training.fit.trainer import Arrays, Trainer

# Results are fetched this many batches late, so that a GPU needn't wait for each.
FETCHED_EVERY = 16


class Diverged(InputError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Data:
    """What is trained on and what is held out.

    Attributes:
        repeats: int64 ``[n]``, draws per epoch of each training row; weights: float32 ``[n]``, in
            the loss.
    """

    training: Images
    repeats: npt.NDArray[np.int64]
    weights: Floats
    validation: Images

    @property
    def draws(self) -> int:
        """Training images per epoch."""
        return int(self.repeats.sum())


@dataclass(frozen=True)
class Watch:
    """Who hears of what.

    Attributes:
        saved: after each epoch, and when asked to stop, with all that is needed to continue from
            there.
        epoch: after each epoch, with the standing. batch: now and then: standing, batches done,
            batches, mean loss.
        stop: whether training is asked to stop; asked after every batch.
    """

    saved: Callable[[Checkpoint], None]
    epoch: Callable[[Standing], None]
    batch: Callable[[Standing, int, int, float], None]
    stop: Callable[[], bool]


def fit(
    trainer: Trainer,
    data: Data,
    policy: TrainingPolicy,
    checkpoint: Checkpoint | None,
    watch: Watch,
) -> Standing:
    """Train all stages and leave the best weights in the trainer.

    Args:
        checkpoint: where an earlier attempt of the same training ended, or None to start.

    Raises:
        Diverged: the loss is no longer a number.
        Terminated: training was asked to stop; its state is saved.
    """
    standing, best = (
        (checkpoint.standing, checkpoint.best) if checkpoint else (Standing(), trainer.weights())
    )
    answers = targets(
        data.training.labels, data.training.distributions, data.weights, policy.label_smoothing
    )
    at_hand = -1  # the stage whose optimizer the trainer holds
    while not standing.over(policy):
        if at_hand != standing.stage:
            _begin(trainer, policy.stages[standing.stage], standing, best, checkpoint)
            at_hand, checkpoint = standing.stage, None
        epoch = _Epoch(trainer, data, answers, policy, standing, watch)
        partial = epoch.train()
        if watch.stop():
            watch.saved(Checkpoint(replace(standing, partial=partial), *trainer.state(), best))
            raise Terminated
        scores = epoch.scores(partial)
        if standing.improves(scores, policy):
            best = trainer.weights()
        standing = standing.after(scores, policy)
        watch.saved(Checkpoint(standing, *trainer.state(), best))
        watch.epoch(standing)
    trainer.load_weights(best)
    return standing


def _begin(
    trainer: Trainer, stage: Stage, standing: Standing, best: Arrays, checkpoint: Checkpoint | None
) -> None:
    """Begin with a fresh optimizer, then the variables of the interrupted stage or, at the start of one, the best weights."""
    trainer.begin(stage)
    if checkpoint is not None:
        trainer.load_network(checkpoint.network)  # also where dropout's random numbers stood
    if checkpoint is not None and (standing.stage_epoch or standing.partial.batches):
        trainer.load_optimizer(checkpoint.optimizer)
    else:
        trainer.load_weights(best)


class _Epoch:
    """One epoch over the plan's draws, from its first batch or from where it was asked to stop."""

    def __init__(
        self,
        trainer: Trainer,
        data: Data,
        answers: Floats,
        policy: TrainingPolicy,
        standing: Standing,
        watch: Watch,
    ) -> None:
        self._trainer, self._data, self._answers = trainer, data, answers
        self._policy, self._stage, self._standing, self._watch = (
            policy,
            policy.stages[standing.stage],
            standing,
            watch,
        )
        self._began, self._number = time.monotonic(), standing.epoch + 1
        self._rows, repetitions = epoch_order(data.repeats, policy.seed, self._number)
        self._changes = _changes(policy, data.training.spec, repetitions, self._number)
        # Batches of nearly equal size: a last one of a few rows would upset batch norm.
        self._batches = math.ceil(len(self._rows) / policy.batch_size)
        edges = np.linspace(0, len(self._rows), self._batches + 1).astype(int)
        self._spans = [slice(int(start), int(end)) for start, end in itertools.pairwise(edges)]

    def train(self) -> Partial:
        """Take the batches that are left; fewer when asked to stop."""
        done = self._standing.partial
        waiting = []
        for index, batch in enumerate(self._ahead(done.batches), done.batches):
            waiting.append(self._trainer.step(batch, self._rate(index)))
            stopping = self._watch.stop()
            if len(waiting) == FETCHED_EVERY or index + 1 == self._batches or stopping:
                for loss, right in waiting:
                    done = replace(
                        done,
                        batches=done.batches + 1,
                        loss=done.loss + float(loss),
                        right=done.right + int(right),
                    )
                waiting = []
                self._refuse_nan(done.loss)
                self._watch.batch(
                    self._standing, done.batches, self._batches, done.loss / self._spans[index].stop
                )
            if stopping:
                break
        return replace(done, seconds=done.seconds + time.monotonic() - self._began)

    def scores(self, partial: Partial) -> dict[str, float]:
        """Return what stands in the history of the epoch, after scoring the held-out rows."""
        began, validation = time.monotonic(), self._data.validation
        logits = self._trainer.logits(validation.pixels)
        held_out = negative_log_likelihood(logits, validation.labels)
        self._refuse_nan(held_out)
        return {
            "accuracy": partial.right / len(self._rows),
            "loss": partial.loss / len(self._rows),
            "val_accuracy": float((logits.argmax(axis=1) == validation.labels).mean()),
            "val_loss": held_out,
            "learning_rate": self._rate(0),
            "seconds": round(partial.seconds + time.monotonic() - began, 3),
            "images_per_second": round(len(self._rows) / max(partial.seconds, 1e-3), 1),
        }

    def _ahead(self, first: int) -> Iterator[Batch]:
        return ahead(self._batch, self._spans[first:])

    def _batch(self, span: slice) -> Batch:
        rows, training = self._rows[span], self._data.training
        return Batch(
            training.pixels[rows], self._answers[rows], training.labels[rows], self._changes[span]
        )

    def _rate(self, batch: int) -> float:
        step = self._standing.stage_epoch * self._batches + batch
        return learning_rate(
            self._stage, step, self._batches, self._standing.stage_scores(self._policy)
        )

    def _refuse_nan(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"the loss is no longer a number in epoch {self._number}",
                expected="a finite loss",
                received=str(loss),
                fix=(
                    f"lower the stage's learning_rate (now {self._stage.learning_rate:g}) or its"
                    " data's weights"
                ),
            )


def _changes(
    policy: TrainingPolicy, image: ImageSpec, repetitions: npt.NDArray[np.bool_], epoch: int
) -> Changes:
    """Return the augmentation of an epoch's draws.

    Repetitions of a row have their own where the policy says so.
    """
    changes = draw(
        policy.augmentation, image, len(repetitions), random(policy.seed, AUGMENTATION, epoch)
    )
    if policy.synthetic is None:
        return changes
    return changes.where(
        repetitions,
        draw(policy.synthetic, image, len(repetitions), random(policy.seed, SYNTHETIC, epoch)),
    )
