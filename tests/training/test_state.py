"""Stages, early stopping and the best epoch, without any training."""

from __future__ import annotations

import pytest

from components.shared.preset import Stage, TrainingPolicy
from components.shared.serialization import from_json, to_json
from components.training.fit.state import SCORES, Standing


def policy(monitor="accuracy"):
    return TrainingPolicy(
        "small-cnn", (Stage(epochs=5, patience=2), Stage(epochs=2, patience=2)), monitor=monitor
    )


def scores(accuracy, loss=1.0):
    return {**dict.fromkeys(SCORES, 0.5), "val_accuracy": accuracy, "val_loss": loss}


def after(rows, rules):
    standing = Standing()
    for row in rows:
        standing = standing.after(row, rules)
    return standing


def test_a_stage_ends_when_its_patience_is_used_up_and_the_next_begins():
    standing = after([scores(0.3), scores(0.5), scores(0.5), scores(0.4)], policy())
    assert (standing.stage, standing.stage_epoch, standing.best_epoch) == (1, 0, 2)
    assert standing.total_epochs(policy()) == 6
    assert standing.after(scores(0.6), policy()).stages == (1, 5)


def test_a_better_score_in_between_starts_the_waiting_anew():
    standing = after([scores(0.3), scores(0.2), scores(0.4), scores(0.3)], policy())
    assert (standing.stage, standing.waited, standing.best_epoch) == (0, 1, 3)


def test_training_is_over_after_the_last_stage():
    standing = after([scores(0.1 * index) for index in range(1, 8)], policy())
    assert standing.over(policy())
    assert standing.stages == (1, 6)
    assert standing.best_epoch == 7
    assert standing.total_epochs(policy()) == standing.epoch == 7


@pytest.mark.parametrize(("monitor", "best"), [("accuracy", 2), ("loss", 3)])
def test_the_monitor_chooses_the_best_epoch(monitor, best):
    assert (
        after([scores(0.3, 0.9), scores(0.5, 0.8), scores(0.4, 0.7)], policy(monitor)).best_epoch
        == best
    )


def test_a_standing_survives_json():
    standing = after([scores(0.3), scores(0.5)], policy())
    assert from_json(Standing, to_json(standing)) == standing


def test_a_stages_scores_are_its_own_and_higher_is_better():
    rows = [scores(0.3), scores(0.5), scores(0.5), scores(0.4), scores(0.6, 0.2)]
    assert after(rows, policy()).stage_scores(policy()) == (0.6,)
    assert after([scores(0.3, 0.9), scores(0.5, 0.8)], policy("loss")).stage_scores(
        policy("loss")
    ) == (-0.9, -0.8)
