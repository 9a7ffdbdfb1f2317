"""Sweeps: ranges in words, trials that are kept, pruned and continued, and results that stand in files."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from components.contracts.codec import from_json, to_json
from components.contracts.errors import InputError, UnknownNameError
from components.contracts.preset import Augmentation, Preset, Stage, TrainingPolicy
from components.training.search import Range, range_of, varied
from tests.artifacts import small_preset
from tests.training.support import write_inputs
from tests.training.test_step import ROOT

POLICY = TrainingPolicy("small-cnn", (Stage(epochs=4, learning_rate=3e-3, patience=4), Stage(epochs=1, optimizer="sgd")), batch_size=16)
PRESET = small_preset(training=POLICY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate=0.001..0.1", Range("learning_rate", ("stages", 0, "learning_rate"), (), 0.001, 0.1)),
        ("stages.1.learning_rate=1e-4..5e-4", Range("stages.1.learning_rate", ("stages", 1, "learning_rate"), (), 1e-4, 5e-4)),
        ("batch_size=16,32,16", Range("batch_size", ("batch_size",), (16, 32))),
        ("epochs=2..6", Range("epochs", ("stages", 0, "epochs"), (), 2.0, 6.0, whole=True)),
        ("optimizer=adam,sgd", Range("optimizer", ("stages", 0, "optimizer"), ("adam", "sgd"))),
        ("augmentation.flip=true,false", Range("augmentation.flip", ("augmentation", "flip"), (True, False))),
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
    ranges = [range_of(text, PRESET) for text in ("learning_rate=0.001..1", "batch_size=8,16", "augmentation.mixup=0..1")]
    found = varied(PRESET, dict(zip(ranges, (0.5, 8, 0.25), strict=True))).training
    assert found == replace(
        POLICY, batch_size=8, stages=(replace(POLICY.stages[0], learning_rate=0.5), POLICY.stages[1]), augmentation=Augmentation(mixup=0.25)
    )
    assert PRESET.training == POLICY


def command(folder, inputs, trials, *ranges, preset=PRESET):
    file = folder / "preset.json"
    file.write_text(to_json(preset))
    return [
        sys.executable, "-m", "components.training", "sweep", "--folder", folder / "sweep", "--examples", inputs[0],
        "--sampling-plan", inputs[1], "--preset", file, "--trials", str(trials), "--minutes", "60",
        *(part for text in ranges for part in ("--set", text)),
    ]  # fmt: skip


def finished(arguments):
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_is_killed_goes_on_prunes_and_leaves_its_results(tmp_path):
    inputs = write_inputs(tmp_path)
    asked = ("learning_rate=1e-6..0.01", "batch_size=16,32")
    with subprocess.Popen(command(tmp_path, inputs, 9, *asked), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("trial 2 of 9"):
                process.send_signal(signal.SIGKILL)
                break
        process.communicate(timeout=60)
    again = finished(command(tmp_path, inputs, 9, *asked))
    assert again.returncode == 0, again.stderr
    assert "trial 3 of 9" in again.stdout
    assert "trial 2 of 9" not in again.stdout, "what was finished before the kill stays finished"

    folder = tmp_path / "sweep"
    with open(folder / "trials.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 9
    assert {row["batch_size"] for row in rows} <= {"16", "32"}
    assert all(1e-6 <= float(row["learning_rate"]) <= 0.01 for row in rows)
    pruned = [row for row in rows if row["state"] == "pruned"]
    assert all(int(row["epochs"]) < 5 for row in pruned)
    whole = [row for row in rows if row["state"] == "complete"]
    best = from_json(Preset, (folder / "best.json").read_bytes())
    winner = max(whole, key=lambda row: float(row["held_out_score"]))
    assert best.training.stages[0].learning_rate == float(winner["learning_rate"])
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")

    other = finished(command(tmp_path, inputs, 9, "dropout=0.1,0.2"))
    assert other.returncode == 2
    assert "holds a sweep of another preset" in other.stderr
    assert len(other.stderr.splitlines()) == 1


def test_a_wrong_field_is_one_line(tmp_path):
    inputs = write_inputs(tmp_path)
    done = finished(command(tmp_path, inputs, 1, "learning_rat=1,2"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "sweep failed" in done.stderr
    assert json.loads((tmp_path / "preset.json").read_text())["name"] == PRESET.name
