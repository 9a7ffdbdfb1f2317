"""Each option of training does what it says.

Targets, losses, schedules, optimizers, the average of weights, augmentation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.shared.errors import InputError
from components.shared.preset import Augmentation, ResamplingPolicy, Stage, TrainingPolicy
from components.training import backend
from components.training.data.augmentation import changed, draw, mixed, together
from components.training.data.prefetch import ahead
from components.training.data.targets import log_frequencies, targets
from components.training.fit.loss import Batch, Lesson, cross_entropy
from components.training.fit.optimizers import optimizer_of
from components.training.fit.schedules import learning_rate, plateaus
from components.training.fit.trainer import Trainer
from components.training.fit.weight_average import WeightAverage
from components.training.models import build
from tests.training.support import IMAGE, images

STILL = Augmentation(flip=False)
PLAIN = TrainingPolicy("small-cnn", (Stage(epochs=1),), augmentation=STILL, dropout=0.0)
NO_VOTES = np.zeros((2, 3), np.float32)
ONE = np.ones(2, np.float32)


def test_targets_are_smoothed_and_weighted():
    assert np.allclose(
        targets(np.array([0, 2]), NO_VOTES, np.array([1, 2], np.float32), 0.3),
        [[0.8, 0.1, 0.1], [0.2, 0.2, 1.6]],
    )


def test_votes_replace_the_label_where_a_row_has_them():
    votes = np.array([[0, 6, 2], [0, 0, 0]], np.float32)
    assert np.allclose(targets(np.array([0, 2]), votes, ONE, 0.0), [[0, 0.75, 0.25], [0, 0, 1]])


def test_log_frequencies_follow_draws_and_an_absent_label_counts_as_one_row():
    found = np.exp(log_frequencies(np.array([0, 0, 1]), np.array([1, 2, 6]), 3))
    assert np.allclose(found, [0.3, 0.6, 0.1])


def test_cross_entropy_is_kerass_and_focal_loss_lowers_easy_rows():
    logits = np.array([[2.0, 0.0, 0.0], [0.1, 0.0, 0.0]], np.float32)
    sharp = np.eye(3, dtype=np.float32)[[0, 0]]
    plain, focal = (
        np.array(cross_entropy(sharp, logits)),
        np.array(cross_entropy(sharp, logits, 2.0)),
    )
    assert np.allclose(
        plain,
        keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)(sharp, logits),
        atol=1e-6,
    )
    p = np.exp(-plain)
    assert np.allclose(focal, (1 - p) ** 2 * plain, atol=1e-6)
    assert focal[0] / plain[0] < focal[1] / plain[1]


def test_logit_adjustment_adds_the_log_frequencies_in_the_loss_alone():
    rows, frequencies = (
        images(2, 1),
        np.log(np.array([0.4, 0.3, 0.1, 0.05, 0.05, 0.05, 0.05], np.float32)),
    )
    answers = targets(rows.labels, rows.distributions, np.ones(14, np.float32), 0.0)
    batch = Batch(
        rows.pixels, answers, rows.labels, draw(STILL, IMAGE, 14, np.random.default_rng(0))
    )
    network = build("small-cnn", IMAGE, 7, 0.0, 0.0)
    network.trainable = False  # so that batch norm answers as in scoring
    lesson = Lesson(network, replace(PLAIN, logit_adjustment=2.0), frequencies)
    logits = np.array(lesson.logits(rows.pixels))
    assert np.allclose(
        float(lesson.losses(batch)[1]),
        np.sum(cross_entropy(answers, logits + 2 * frequencies)),
        rtol=1e-4,
    )


def test_a_warm_up_rises_step_by_step_and_a_cosine_falls_to_one_percent():
    stage = Stage(epochs=4, learning_rate=0.1, schedule="cosine", warmup_epochs=1)
    rates = [learning_rate(stage, step, 10) for step in range(40)]
    assert rates[:10] == pytest.approx([0.01 * (index + 1) for index in range(10)])
    assert rates[10] == pytest.approx(0.1)
    assert rates[25] == pytest.approx(0.1 * (0.01 + 0.99 / 2))
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert rates[-1] == pytest.approx(0.001, rel=0.3)


def test_a_plateau_lowers_the_rate_after_two_epochs_without_a_better_score():
    assert plateaus(()) == 0
    assert plateaus((0.3, 0.5, 0.4)) == 0
    assert plateaus((0.3, 0.5, 0.4, 0.5)) == 1
    assert plateaus((0.5, 0.4, 0.4, 0.6, 0.1, 0.1, 0.1, 0.1)) == 3
    stage = Stage(epochs=9, learning_rate=0.1, schedule="plateau")
    assert learning_rate(stage, 55, 10, (0.5, 0.4, 0.4)) == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_shrinks_kernels_and_spares_the_rest(name):
    kernel, bias = (
        keras.Variable(np.ones((3, 2), np.float32)),
        keras.Variable(np.ones(2, np.float32)),
    )
    optimizer = optimizer_of(
        Stage(epochs=1, optimizer=name, learning_rate=0.5, weight_decay=0.1), [kernel, bias]
    )
    optimizer.apply([keras.ops.zeros((3, 2)), keras.ops.zeros(2)])
    assert np.allclose(kernel, 0.95)
    assert np.allclose(bias, 1.0)


def test_sgd_looks_ahead_as_nesterov_does():
    variable = keras.Variable(np.zeros(1, np.float32))
    optimizer = optimizer_of(Stage(epochs=1, optimizer="sgd", learning_rate=1.0), [variable])
    optimizer.apply([keras.ops.ones(1)])
    assert np.allclose(variable, -1.9)  # momentum 0.9 of the first step, and the step itself


def test_the_average_of_weights_follows_them_slowly_and_is_what_is_scored():
    policy, rows = replace(PLAIN, average_weights=0.9), images(4, 1)
    trainer = Trainer(build("small-cnn", IMAGE, 7, 0.0, 0.0), policy, np.zeros(7, np.float32))
    trainer.begin(Stage(epochs=1, optimizer="sgd", learning_rate=0.5))
    average, kept = WeightAverage(trainer.network, 0.9), []
    answers = targets(rows.labels, rows.distributions, np.ones(28, np.float32), 0.0)
    for _ in range(5):
        trainer.step(
            Batch(
                rows.pixels, answers, rows.labels, draw(STILL, IMAGE, 28, np.random.default_rng(0))
            ),
            0.5,
        )
        average.update()
        kept.append(trainer.network.get_weights())
    expected = kept[0]
    for step, weights in enumerate(kept):
        momentum = min(0.9, (1 + step) / (10 + step))
        expected = (
            [
                old * momentum + new * (1 - momentum)
                for old, new in zip(expected, weights, strict=True)
            ]
            if step
            else expected
        )
    assert any(
        not np.allclose(mine, theirs)
        for mine, theirs in zip(trainer.weights(), kept[-1], strict=True)
    )
    for mine, other in zip(trainer.weights(), average.weights, strict=True):
        assert np.allclose(mine, np.array(other), atol=1e-6)
    inside = trainer.network.get_weights()
    trainer.logits(rows.pixels)
    assert all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(inside, trainer.network.get_weights(), strict=True)
    )


def test_noise_has_at_most_its_deviation_and_none_for_some():
    still = np.full((200, 16, 16, 1), 128, np.float32)
    augmentation = replace(STILL, noise=0.1)
    noisy = np.array(
        changed(
            still,
            draw(augmentation, IMAGE, 200, np.random.default_rng(0)),
            augmentation,
            keras.random.SeedGenerator(1),
        )
    )
    deviations = noisy.std(axis=(1, 2, 3)) / 255
    assert deviations.max() < 0.12
    assert 0.04 < deviations.mean() < 0.06


def test_erasing_covers_one_rectangle_in_its_share_of_the_images():
    rng, augmentation = np.random.default_rng(0), replace(STILL, erasing=0.5)
    pixels = rng.integers(0, 256, (400, 16, 16, 1)).astype(np.float32)
    erased = (
        np.array(
            changed(
                pixels,
                draw(augmentation, IMAGE, 400, rng),
                augmentation,
                keras.random.SeedGenerator(1),
            )
        )
        != pixels
    )
    areas = erased.mean(axis=(1, 2, 3))
    assert 0.4 < (areas > 0).mean() < 0.6
    assert areas.max() < 0.4
    covered = erased[areas > 0.1][0, :, :, 0]
    box = covered[covered.any(axis=1)][:, covered.any(axis=0)]
    assert box.mean() > 0.95, "a rectangle, but for pixels that had its gray already"


def test_mixup_mixes_an_image_and_its_target_with_the_same_partner():
    values = np.arange(4, dtype=np.float32).reshape(4, 1)
    assert np.allclose(
        mixed(values, np.array([[1], [0.5], [0.25], [0]], np.float32)), [[0], [1.5], [1.25], [0]]
    )
    shares = draw(replace(STILL, mixup=0.2), IMAGE, 2000, np.random.default_rng(0)).mix
    assert 0.45 < shares.mean() < 0.55
    assert (np.minimum(shares, 1 - shares) < 0.1).mean() > 0.6


def test_synthetic_examples_have_an_augmentation_of_their_own():
    usual, strong = STILL, Augmentation(flip=False, brightness=0.2)
    few, rng = np.array([False, True, False]), np.random.default_rng(0)
    both = draw(usual, IMAGE, 3, rng).where(few, draw(strong, IMAGE, 3, rng))
    assert both.brightness[0] == both.brightness[2] == 0 != both.brightness[1]
    assert together(usual, strong).brightness == 0.2


def test_what_is_made_ahead_keeps_its_order_and_its_errors():
    assert list(ahead(lambda item: item * 2, range(20), depth=3)) == list(range(0, 40, 2))
    answers = ahead(lambda item: 1 // item, [1, 0, 1])
    assert next(answers) == 1
    with pytest.raises(ZeroDivisionError):
        next(answers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage(epochs=3, warmup_epochs=3), "warmup_epochs is out of range"),
        (lambda: Augmentation(noise=2), "noise is out of range"),
        (lambda: replace(PLAIN, label_smoothing=1.0), "label_smoothing is out of range"),
        (lambda: ResamplingPolicy("effective-number", beta=1.0), "beta is out of range"),
    ],
)
def test_options_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_16_bits_are_used_where_the_device_has_them():
    flags = Path("/proc/cpuinfo").read_text()
    has_them = (
        bool(tf.config.list_physical_devices("GPU"))
        or "avx512_bf16" in flags
        or "amx_bf16" in flags
    )
    assert backend.current().dtype_policy("mixed").startswith("mixed_") == has_them
    assert backend.current().dtype_policy("float32") == "float32"
