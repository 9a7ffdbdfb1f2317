"""Sweeps.

Ranges in words, trials that are kept, pruned and continued, and results that stand in files.
"""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from components.shared.errors import InputError, UnknownNameError
from components.shared.preset import Augmentation, Preset, Stage, TrainingPolicy
from components.shared.serialization import from_json, to_json
from components.shared.step import progress
from components.training.data.inputs import open_images, plan_columns, read_inputs
from components.training.fit.loop import Data
from components.training.sweep.search_space import Range, range_of, varied
from tests.artifacts import small_preset
from tests.training.support import write_inputs
from tests.training.test_step import ROOT

POLICY = TrainingPolicy(
    "small-cnn",
    (Stage(epochs=4, learning_rate=3e-3, patience=4), Stage(epochs=1, optimizer="sgd")),
    batch_size=16,
)
PRESET = small_preset(training=POLICY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "learning_rate=0.001..0.1",
            Range("learning_rate", ("stages", 0, "learning_rate"), (), 0.001, 0.1),
        ),
        (
            "stages.1.learning_rate=1e-4..5e-4",
            Range("stages.1.learning_rate", ("stages", 1, "learning_rate"), (), 1e-4, 5e-4),
        ),
        ("batch_size=16,32,16", Range("batch_size", ("batch_size",), (16, 32))),
        ("epochs=2..6", Range("epochs", ("stages", 0, "epochs"), (), 2.0, 6.0, whole=True)),
        ("optimizer=adam,sgd", Range("optimizer", ("stages", 0, "optimizer"), ("adam", "sgd"))),
        (
            "augmentation.flip=true,false",
            Range("augmentation.flip", ("augmentation", "flip"), (True, False)),
        ),
    ],
)
def test_a_range_is_read(text, expected):
    assert range_of(text, PRESET) == expected


def test_a_wide_range_is_logarithmic():
    assert range_of("learning_rate=0.001..0.1", PRESET).logarithmic
    assert not range_of("dropout=0..0.5", PRESET).logarithmic
    assert not range_of("dropout=0.2..0.5", PRESET).logarithmic


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("learning_rat=0.1,0.2", UnknownNameError, "learning_rate"),
        ("architecture", InputError, "a range of the sweep can't be read"),
        ("dropout=0.5..0.1", InputError, "two rising numbers"),
        ("learning_rate=0.1..20", InputError, "the preset small can't have learning_rate=20"),
        ("batch_size=16,many", InputError, "the preset small can't have batch_size=many"),
        ("augmentation=1,2", UnknownNameError, "augmentation"),
    ],
)
def test_a_wrong_range_is_refused_before_any_training(text, error, message):
    with pytest.raises(error, match=message):
        range_of(text, PRESET)


def test_values_go_where_they_belong_and_the_preset_stays():
    ranges = [
        range_of(text, PRESET)
        for text in ("learning_rate=0.001..1", "batch_size=8,16", "augmentation.mixup=0..1")
    ]
    found = varied(PRESET, dict(zip(ranges, (0.5, 8, 0.25), strict=True))).training
    assert found == replace(
        POLICY,
        batch_size=8,
        stages=(replace(POLICY.stages[0], learning_rate=0.5), POLICY.stages[1]),
        augmentation=Augmentation(mixup=0.25),
    )
    assert PRESET.training == POLICY


def command(folder, inputs, trials, *ranges, preset=PRESET):
    file = folder / "preset.json"
    file.write_text(to_json(preset))
    return [
        sys.executable,
        "-m",
        "components.training",
        "sweep",
        "--folder",
        folder / "sweep",
        "--examples",
        inputs[0],
        "--sampling-plan",
        inputs[1],
        "--preset",
        file,
        "--trials",
        str(trials),
        "--minutes",
        "60",
        *(part for text in ranges for part in ("--set", text)),
    ]


def finished(arguments):
    return subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_sweep_goes_on_and_leaves_its_results(tmp_path):
    inputs = write_inputs(tmp_path)
    asked, trials = ("learning_rate=1e-6..0.01", "batch_size=16,32"), 0
    with subprocess.Popen(
        command(tmp_path, inputs, 9, *asked), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            trials += line.startswith("trial ")
            shown = progress.parse(line)
            if trials == 2 and shown is not None and shown.unit == "epochs" and shown.done == 1:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate(timeout=60)
    again = finished(command(tmp_path, inputs, 9, *asked))
    assert again.returncode == 0, again.stderr
    assert "trial 2 of 9" not in again.stdout, "what was finished before the kill stays finished"
    assert again.stdout.index("continuing after epoch ") < again.stdout.index("trial 3 of 9"), (
        "the third goes on in its middle"
    )

    folder = tmp_path / "sweep"
    with open(folder / "trials.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 9
    assert {row["batch_size"] for row in rows} <= {"16", "32"}
    assert all(1e-6 <= float(row["learning_rate"]) <= 0.01 for row in rows)
    whole = [row for row in rows if row["state"] == "complete"]
    best = from_json(Preset, (folder / "best.json").read_bytes())
    winner = max(whole, key=lambda row: float(row["held_out_score"]))
    assert best.training.stages[0].learning_rate == float(winner["learning_rate"])
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")

    other = finished(command(tmp_path, inputs, 9, "dropout=0.1,0.2"))
    assert other.returncode == 2
    assert "holds a sweep of another preset" in other.stderr
    assert len(other.stderr.splitlines()) == 1


def swept(folder, preset, text, first):
    """The finished trials, by number, of a sweep over ``text`` that tries these values first, in this order."""
    import optuna

    from components.training.sweep.sweep import STUDY, Sweep, sweep

    study = optuna.create_study(
        study_name=STUDY, storage=f"sqlite:///{folder / 'study.db'}", direction="maximize"
    )
    for value in first:
        study.enqueue_trial({text.partition("=")[0]: value})
    inputs = read_inputs(*write_inputs(folder), preset)
    training, held_out = open_images(inputs, preset, folder)
    data = Data(training, *plan_columns(inputs, training.example_ids), held_out)
    asked = Sweep(folder, preset, (range_of(text, preset),), len(first), 60)
    return sorted(sweep(asked, inputs, data, folder), key=lambda trial: trial.number)


@pytest.mark.slow
def test_a_hopeless_trial_is_ended_early(tmp_path):
    found = swept(tmp_path, PRESET, "learning_rate=1e-6,0.01", [0.01] * 4 + [1e-6])
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 4 + ["PRUNED"]
    assert [max(trial.intermediate_values) for trial in found] == [5] * 4 + [2], "epochs"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_trial_whose_loss_is_no_number_doesnt_end_the_sweep(tmp_path):
    policy = replace(POLICY, stages=(Stage(epochs=2, optimizer="sgd"),), l2=10.0)
    found = swept(tmp_path, small_preset(training=policy), "learning_rate=1e-5,9", [9, 1e-5])
    assert [trial.state.name for trial in found] == ["PRUNED", "COMPLETE"]
    assert found[0].value == float("-inf")


def test_a_wrong_field_is_one_line(tmp_path):
    inputs = write_inputs(tmp_path)
    done = finished(command(tmp_path, inputs, 1, "learning_rat=1,2"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "sweep failed" in done.stderr
    assert json.loads((tmp_path / "preset.json").read_text())["name"] == PRESET.name
