"""The reference presets are what was published, and every preset says what it reached or that it wasn't run."""

from __future__ import annotations

import importlib
import re

import pytest

from pipelines.code_version import ROOT
from pipelines.presets import DEFAULT, PRESETS, forced


@pytest.mark.parametrize(
    ("name", "labels", "image", "batch", "stages", "dropout", "l2"),
    [
        (
            "emotion5-efficientnetv2b0",
            {"happy", "angry", "neutral", "sad", "surprise"},
            (224, 224, 3),
            64,
            [("adam", 1e-3, 50, 0.0)],
            0.25,
            0.01,
        ),
        (
            "emotion6-cnn",
            {"angry", "disgust", "fear", "happy", "sad", "surprise"},
            (64, 64, 3),
            32,
            [("adam", 1e-3, 25, 0.0)],
            0.0,
            0.0,
        ),
        (
            "happy-binary",
            {"happy", "not-happy"},
            (256, 256, 3),
            32,
            [("adam", 1e-3, 30, 0.0)],
            0.5,
            0.0,
        ),
    ],
)
def test_data_and_schedule_are_as_published(name, labels, image, batch, stages, dropout, l2):
    preset = PRESETS[name]
    spec, policy = preset.data.image, preset.training
    assert {label.replace("_", "-").replace(" ", "-") for label in preset.data.labels} == labels
    assert (spec.height, spec.width, spec.channels) == image
    assert policy.batch_size == batch
    assert [
        (stage.optimizer, stage.learning_rate, stage.epochs, stage.frozen)
        for stage in policy.stages
    ] == stages
    assert (policy.dropout, policy.l2) == (dropout, l2)
    assert preset.data.test_share == 0.2


def test_the_networks_on_fer2013_have_its_seven_classes_and_their_schedules():
    cnn, deep = PRESETS["fer2013-cnn"], PRESETS["fer2013-deep-cnn"]
    for preset in (cnn, deep):
        assert len(preset.data.labels) == 7
        assert (preset.data.image.height, preset.data.image.width, preset.data.image.channels) == (
            48,
            48,
            1,
        )
    first, second = cnn.training.stages
    assert (first.optimizer, second.optimizer) == ("adam", "sgd")
    assert first.learning_rate != second.learning_rate
    assert first.patience < first.epochs, "early stopping"
    assert cnn.training.monitor == "accuracy"
    assert sum(stage.epochs for stage in deep.training.stages) == 60


def test_flip_rotation_and_scaling_augment_the_efficientnet_which_starts_pretrained():
    policy = PRESETS["emotion5-efficientnetv2b0"].training
    assert policy.augmentation.flip
    assert min(policy.augmentation.rotation_degrees, policy.augmentation.zoom) > 0
    assert policy.pretrained is not None


def test_an_existing_model_is_taken_again_unless_the_run_is_forced():
    assert [name for name, preset in PRESETS.items() if preset.training.reuse_model] == [
        "happy-binary"
    ]
    assert not forced(PRESETS["happy-binary"]).training.reuse_model


@pytest.mark.parametrize("name", PRESETS)
def test_a_docstring_gives_figure_seed_time_and_machine_or_says_not_run(name):
    told = importlib.import_module(f"pipelines.presets.{name.replace('-', '_')}").__doc__
    command = (
        "make run" if name == DEFAULT else f"make run PRESET={name}",
        f"emotion run --preset {name}",
    )
    assert any(each in told for each in command)
    measured = [
        r"\d\d\.\d %",
        r"seeds? \d",
        r"\d+ (s|min|minutes)\b",
        "cores|GPU",
        r"20\d\d-\d\d-\d\d",
    ]
    assert told.endswith("\nNot run.\n") or all(re.search(each, told) for each in measured)


def test_the_reference_lists_every_preset():
    table = (ROOT / "docs" / "reference" / "presets.md").read_text()
    assert [name for name in PRESETS if f"`{name}`" not in table] == []
