"""The loop: the plan honoured, early stopping, the best weights kept, and resuming as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ContractError, InputError
from components.contracts.preset import Augmentation, Preset, Stage, TrainingPolicy
from components.training import models
from components.training.backend import Trainer, make_deterministic
from components.training.checkpoint import Checkpoint, from_bytes, key_of, to_bytes
from components.training.loop import Data, Watch, fit
from components.training.standing import SCORES
from tests.artifacts import small_preset
from tests.training.support import BRISK, IMAGE, NOBODY, data


class Recorder:
    """Stands in for the trainer: notes what it is shown, and scores as it is told."""

    def __init__(self, held_out: list[float]) -> None:
        self.epochs: list[list[tuple[bytes, float, int]]] = []
        self.held_out = iter(held_out)
        self.learned = 0
        self.open = False

    def use(self, optimizer: object) -> None: ...

    def learning_rate(self) -> float:
        self.epochs.append([])
        return 0.1

    def step(self, pixels, labels, weights, changes):
        self.epochs[-1] += [(image.tobytes(), float(weight), len(pixels)) for image, weight in zip(pixels, weights, strict=True)]
        return float(weights.sum()), len(labels)

    def logits(self, pixels):
        self.learned += 1
        right = int(next(self.held_out) * len(pixels))
        answers = np.zeros((len(pixels), 7), np.float32)
        truth = np.repeat(np.arange(7), 4)
        answers[np.arange(len(pixels)), np.where(np.arange(len(pixels)) < right, truth, (truth + 1) % 7)] = 1
        return answers

    def weights(self):
        return [np.array(self.learned)]

    def load_weights(self, weights):
        self.learned = int(weights[0])

    def state(self):
        return [], []


def trained(policy: TrainingPolicy, checkpoint: Checkpoint | None = None, watch: Watch = NOBODY, seed: int = 3, rows: Data | None = None):
    make_deterministic(seed)
    network = models.build("small-cnn", IMAGE, 7, policy.dropout, policy.l2)
    trainer = Trainer(network, IMAGE, policy.augmentation, policy.label_smoothing)
    return trainer, fit(trainer, rows or data(), policy, checkpoint, watch)


def test_an_epoch_shows_every_row_as_often_and_as_heavy_as_planned():
    rows, recorder = data(), Recorder([0.1, 0.2])
    fit(recorder, rows, replace(BRISK, stages=(Stage(epochs=2),)), None, NOBODY)
    wanted = sorted(
        (image.tobytes(), float(weight))
        for image, weight, times in zip(rows.training.pixels, rows.weights, rows.repeats, strict=True)
        for _ in range(times)
    )
    assert len(recorder.epochs) == 2
    for shown in recorder.epochs:
        assert sorted((image, weight) for image, weight, _ in shown) == wanted
        assert {size for _, _, size in shown} <= {BRISK.batch_size - 1, BRISK.batch_size, BRISK.batch_size - 2, BRISK.batch_size - 3}
    assert recorder.epochs[0] != recorder.epochs[1]


def test_a_stage_stops_early_and_the_best_weights_are_kept():
    recorder = Recorder([0.3, 0.6, 0.5, 0.4, 0.9])
    policy = replace(BRISK, stages=(Stage(epochs=10, patience=2),))
    standing = fit(recorder, data(), policy, None, NOBODY)
    assert standing.epoch == 4
    assert standing.best_epoch == 2
    assert recorder.learned == 2


def test_the_next_stage_starts_from_the_best_weights():
    recorder = Recorder([0.6, 0.5, 0.4, 0.1])
    policy = replace(BRISK, stages=(Stage(epochs=3, patience=2), Stage(epochs=1)))
    standing = fit(recorder, data(), policy, None, NOBODY)
    assert standing.stages == (1, 4)
    assert standing.best_epoch == 1
    assert recorder.learned == 1


def test_it_learns_and_the_history_has_every_score():
    policy = replace(BRISK, stages=(Stage(epochs=6, learning_rate=5e-3),), dropout=0.0, augmentation=Augmentation(flip=False))
    _, standing = trained(policy, rows=data(per_class=40))
    assert set(standing.history) == set(SCORES)
    assert max(standing.history["val_accuracy"]) > 0.8
    assert standing.history["loss"][-1] < standing.history["loss"][0] / 2


def test_a_cosine_schedule_falls_to_one_percent_and_a_constant_one_stays():
    _, standing = trained(
        replace(
            BRISK, stages=(Stage(epochs=2, learning_rate=1e-2, schedule="cosine"), Stage(epochs=1, optimizer="sgd", learning_rate=2e-3))
        )
    )
    first, second, third = standing.history["learning_rate"]
    assert first == pytest.approx(1e-2)
    assert second == pytest.approx(1e-2 * (0.5 * 0.99 + 0.01))
    assert third == pytest.approx(2e-3)


class Killed(Exception):
    """The process ends right after an epoch was saved."""


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_resumed_training_equals_uninterrupted(epochs):
    """Interrupted within a stage, between two, and within the last: same weights, bit for bit, and same history."""
    whole, straight = trained(BRISK)
    saved: list[bytes] = []

    def save(checkpoint: Checkpoint) -> None:
        saved.append(to_bytes(checkpoint))
        if len(saved) == epochs:
            raise Killed

    with pytest.raises(Killed):
        trained(BRISK, watch=replace(NOBODY, saved=save))
    resumed, standing = trained(BRISK, from_bytes(saved[-1]), seed=99)
    assert standing.epoch == straight.epoch == 5
    for name in set(SCORES) - {"seconds"}:
        assert standing.history[name] == straight.history[name]
    for one, other in zip(whole.weights(), resumed.weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_finished_checkpoint_trains_no_further():
    saved: list[Checkpoint] = []
    whole, straight = trained(BRISK, watch=replace(NOBODY, saved=saved.append))
    again, standing = trained(BRISK, saved[-1], seed=99)
    assert standing == straight
    assert all(np.array_equal(one, other) for one, other in zip(whole.weights(), again.weights(), strict=True))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_no_number_stops_training_with_advice():
    with pytest.raises(InputError, match=r"no longer a number in epoch 1.*lower the stage's learning_rate \(now 9\)"):
        trained(replace(BRISK, stages=(Stage(epochs=3, optimizer="sgd", learning_rate=9),), l2=10.0))


def test_damaged_bytes_are_no_checkpoint():
    for content in (
        b"no zip",
        to_bytes(Checkpoint(fit(Recorder([0.1]), data(), replace(BRISK, stages=(Stage(1),)), None, NOBODY), [], [], []))[:-40],
    ):
        with pytest.raises(ContractError, match="the checkpoint can't be read"):
            from_bytes(content)


def test_the_checkpoints_key_follows_what_training_depends_on():
    preset: Preset = small_preset()
    key = key_of("snapshot", preset, "code")
    assert key == key_of("snapshot", replace(preset, summary="other words"), "code")
    others = [
        key_of("other", preset, "code"),
        key_of("snapshot", preset, "other"),
        key_of("snapshot", small_preset(training=BRISK), "code"),
    ]
    assert key.startswith("checkpoints/")
    assert len({key, *others}) == 4
