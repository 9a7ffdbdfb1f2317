"""The loop.

The plan honoured, early stopping, the best weights kept, and resuming as if nothing had happened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from components.shared.errors import ContractError, InputError
from components.shared.preset import Augmentation, Preset, Stage, TrainingPolicy
from components.shared.step.frame import Terminated
from components.training import backend
from components.training.data.images import StreamedPixels
from components.training.fit.checkpoint import Checkpoint, from_bytes, key_of, to_bytes
from components.training.fit.loop import Data, Watch, fit
from components.training.fit.state import SCORES, TIMES
from tests.artifacts import png, small_preset
from tests.training.support import BRISK, IMAGE, NOBODY, data, trainer_of


class Recorder:
    """Stands in for the trainer: notes what it is shown, and scores as it is told."""

    def __init__(self, held_out: list[float]) -> None:
        self.epochs: list[list[tuple[bytes, float, int]]] = []
        self.held_out = iter(held_out)
        self.learned = 0
        self.open = False

    def begin(self, stage: object) -> None:
        self.epochs.append([])

    def step(self, batch, learning_rate):
        weights = batch.targets.sum(axis=1)
        shown = zip(batch.pixels, weights, strict=True)
        self.epochs[-1] += [
            (image.tobytes(), round(float(weight), 5), len(weights)) for image, weight in shown
        ]
        return float(weights.sum()), len(weights)

    def logits(self, pixels):
        self.learned += 1
        self.epochs.append([])
        right = int(next(self.held_out) * len(pixels))
        answers = np.zeros((len(pixels), 7), np.float32)
        truth = np.repeat(np.arange(7), 4)
        answers[
            np.arange(len(pixels)), np.where(np.arange(len(pixels)) < right, truth, (truth + 1) % 7)
        ] = 1
        return answers

    def weights(self):
        return [np.array(self.learned)]

    def load_weights(self, weights):
        self.learned = int(weights[0])

    def state(self):
        return [], []


# Everything that has a state: dropout, batch norm, noise, momentum, an average of weights, a
# plateau.
FULL = replace(
    BRISK,
    stages=(
        Stage(epochs=2, learning_rate=3e-3, schedule="plateau"),
        Stage(epochs=1, optimizer="sgd", learning_rate=1e-3),
    ),
    augmentation=Augmentation(
        flip=True, rotation_degrees=5, zoom=0.05, shift=0.07, noise=0.05, erasing=0.3, mixup=0.2
    ),
    average_weights=0.9,
)


def trained(
    policy: TrainingPolicy,
    checkpoint: Checkpoint | None = None,
    watch: Watch = NOBODY,
    seed: int = 3,
    rows: Data | None = None,
):
    backend.current().make_deterministic(seed)
    rows = rows or data()
    trainer = trainer_of(policy, rows)
    return trainer, fit(trainer, rows, policy, checkpoint, watch)


def test_an_epoch_shows_every_row_as_often_and_as_heavy_as_planned():
    rows, recorder = data(), Recorder([0.1, 0.2])
    fit(recorder, rows, replace(BRISK, stages=(Stage(epochs=2),)), None, NOBODY)
    wanted = sorted(
        (image.tobytes(), round(float(weight), 5))
        for image, weight, times in zip(
            rows.training.pixels, rows.weights, rows.repeats, strict=True
        )
        for _ in range(times)
    )
    assert recorder.epochs.pop() == []
    assert len(recorder.epochs) == 2
    for shown in recorder.epochs:
        images, weights, _ = zip(*sorted(shown), strict=True)
        assert list(images) == [image for image, _ in wanted]
        assert np.allclose(weights, [weight for _, weight in wanted], atol=1e-4)
        assert {size for _, _, size in shown} <= {
            BRISK.batch_size - 1,
            BRISK.batch_size,
            BRISK.batch_size - 2,
            BRISK.batch_size - 3,
        }
    assert recorder.epochs[0] != recorder.epochs[1]


def test_repetitions_alone_become_synthetic_examples():
    class Lit(Recorder):
        def step(self, batch, learning_rate):
            self.epochs[-1] += [
                (image.tobytes(), bool(lit))
                for image, lit in zip(batch.pixels, batch.changes.brightness, strict=True)
            ]
            return 1.0, 0

    rows, recorder = data(), Lit([0.1])
    policy = replace(
        BRISK,
        stages=(Stage(epochs=1),),
        augmentation=Augmentation(flip=False),
        synthetic=Augmentation(brightness=0.3),
    )
    fit(recorder, rows, policy, None, NOBODY)
    wanted = Counter(
        (image.tobytes(), time > 0)
        for image, times in zip(rows.training.pixels, rows.repeats, strict=True)
        for time in range(times)
    )
    assert Counter(recorder.epochs[0]) == wanted


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
    policy = replace(
        BRISK,
        stages=(Stage(epochs=6, learning_rate=5e-3),),
        dropout=0.0,
        augmentation=Augmentation(flip=False),
    )
    _, standing = trained(policy, rows=data(per_class=40))
    assert set(standing.history) == set(SCORES)
    assert max(standing.history["val_accuracy"]) > 0.8
    assert standing.history["loss"][-1] < standing.history["loss"][0] / 2


def test_a_cosine_schedule_falls_to_one_percent_and_a_constant_one_stays():
    _, standing = trained(
        replace(
            BRISK,
            stages=(
                Stage(epochs=2, learning_rate=1e-2, schedule="cosine"),
                Stage(epochs=1, optimizer="sgd", learning_rate=2e-3),
            ),
        )
    )
    first, second, third = standing.history["learning_rate"]
    assert first == pytest.approx(1e-2)
    assert second == pytest.approx(1e-2 * (0.5 * 0.99 + 0.01))
    assert third == pytest.approx(2e-3)


@pytest.fixture(scope="module")
def straight():
    """An uninterrupted training: trainer, standing, and every checkpoint as bytes."""
    saved: list[bytes] = []
    trainer, standing = trained(
        FULL, watch=replace(NOBODY, saved=lambda checkpoint: saved.append(to_bytes(checkpoint)))
    )
    return trainer, standing, saved


def same(one, other) -> None:
    """Bit for bit the same weights, and the same history but for times."""
    for name in set(SCORES) - set(TIMES):
        assert one[1].history[name] == other[1].history[name]
    assert all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(one[0].weights(), other[0].weights(), strict=True)
    )


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_resumed_training_equals_uninterrupted(straight, epochs):
    """From within a stage, from between two, and from the end."""
    resumed = trained(FULL, from_bytes(straight[2][epochs - 1]), seed=99)
    assert resumed[1].epoch == straight[1].epoch == 3
    same(straight, resumed)


def test_asked_to_stop_in_the_middle_of_an_epoch_it_saves_and_continues_there(straight):
    asked, saved = iter([False] * 3 + [True] * 9), []
    watch = replace(
        NOBODY,
        saved=lambda checkpoint: saved.append(to_bytes(checkpoint)),
        stop=lambda: next(asked),
    )
    with pytest.raises(Terminated):
        trained(FULL, watch=watch)
    checkpoint = from_bytes(saved[-1])
    assert checkpoint.standing.epoch == 0
    assert checkpoint.standing.partial.batches == 4
    same(straight, trained(FULL, checkpoint, seed=99))


def test_images_that_dont_fit_in_memory_are_streamed_with_the_same_result(straight, tmp_path):
    rows = data()
    encoded = [
        (name, png(image[:, :, 0]))
        for name, image in zip(rows.training.example_ids, rows.training.pixels, strict=True)
    ]
    streamed = StreamedPixels(tmp_path / "images", encoded, IMAGE)
    same(
        straight,
        trained(FULL, rows=replace(rows, training=replace(rows.training, pixels=streamed))),
    )
    streamed.close()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_no_number_stops_training_with_advice():
    with pytest.raises(
        InputError,
        match=r"no longer a number in epoch 1.*lower the stage's learning_rate \(now 9\)",
    ):
        trained(
            replace(BRISK, stages=(Stage(epochs=3, optimizer="sgd", learning_rate=9),), l2=10.0)
        )


def test_damaged_bytes_are_no_checkpoint():
    for content in (
        b"no zip",
        to_bytes(
            Checkpoint(
                fit(Recorder([0.1]), data(), replace(BRISK, stages=(Stage(1),)), None, NOBODY),
                [],
                [],
                [],
            )
        )[:-40],
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
