"""The whole step as a process.

What it writes, what it says, and that a killed one ends where an untouched one does.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.shared.artifacts import contract
from components.shared.findings import Evidence, TrainFindings
from components.shared.preset import Augmentation, ServingPolicy, Stage, TrainingPolicy
from components.shared.serialization import from_json, from_plain, to_json
from components.shared.step import progress
from components.shared.store import keys
from components.training.fit.state import TIMES
from tests.artifacts import example_rows, small_preset
from tests.kfp_output import executor_input, metadata
from tests.training.support import LABELS, write_inputs

ROOT = Path(__file__).parents[2]


def preset_of(*stages: Stage, architecture: str = "small-cnn"):
    policy = TrainingPolicy(
        architecture, stages, batch_size=16, augmentation=Augmentation(shift=0.05), dropout=0.1
    )
    return small_preset(training=policy, serving=ServingPolicy(golden_images=6))


def command(
    folder: Path,
    inputs: tuple[Path, Path],
    preset,
    run: str = "r1",
    store: str = "store",
    executor_input: str = "",
) -> list[str]:
    (folder / "preset.json").write_text(to_json(preset))
    return [
        sys.executable,
        "-m",
        "components.training",
        "train",
        "--preset",
        f"@{folder / 'preset.json'}",
        "--store",
        str(folder / store),
        "--run-id",
        run,
        "--code-version",
        "code",
        "--examples",
        str(inputs[0]),
        "--sampling-plan",
        str(inputs[1]),
        "--model",
        str(folder / run / "model"),
        "--metrics",
        str(folder / run / "metrics"),
        "--executor-input",
        executor_input,
    ]


def finished(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=200)


def test_the_step_writes_a_complete_verified_model(tmp_path):
    inputs = write_inputs(tmp_path)
    preset = preset_of(
        Stage(epochs=3, learning_rate=5e-3), Stage(epochs=1, optimizer="sgd", learning_rate=1e-3)
    )
    done = finished(
        command(
            tmp_path, inputs, preset, executor_input=executor_input(tmp_path, "model", "metrics")
        )
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [progress.parse(line) for line in done.stdout.splitlines()]
    epochs = [
        (line.done, line.total) for line in lines if line is not None and line.unit == "epochs"
    ]
    assert epochs == [(1, 4), (2, 4), (3, 4), (4, 4)]

    manifest = contract.verified_model(tmp_path / "r1" / "model")
    assert manifest.labels == LABELS
    assert manifest.served_file in manifest.files
    assert {
        "model.keras",
        "saved_model/saved_model.pb",
        "history.json",
        "golden/expected.json",
    } <= manifest.files.keys()
    assert len([name for name in manifest.files if name.startswith("golden/")]) == 7

    evidence = from_json(Evidence, (tmp_path / "store" / keys.evidence("r1", "train")).read_bytes())
    findings = from_plain(TrainFindings, evidence.findings, "findings")
    assert (findings.train_rows, findings.validation_rows, findings.stages) == (112, 28, (1, 4))
    assert (
        findings.history["val_accuracy"][findings.best_epoch - 1]
        == manifest.validation_accuracy
        == max(findings.history["val_accuracy"])
    )
    assert findings.export_difference <= 1e-4
    assert findings.compared_images == 6 + 28 + 112
    assert (findings.backend, findings.images_from) == ("tensorflow", "memory")
    assert (
        tmp_path / "store" / "runs/r1/tensorboard/events.out.tfevents.0.train"
    ).stat().st_size > 0
    history = json.loads((tmp_path / "r1" / "model" / "history.json").read_text())
    assert history == {
        name: list(values) for name, values in findings.history.items() if name not in TIMES
    }

    told = metadata(tmp_path)
    assert told["metrics"]["held-out accuracy"] == pytest.approx(
        manifest.validation_accuracy, rel=1e-5
    )
    assert told["metrics"]["best epoch"] == findings.best_epoch
    assert told["model"] == {
        "version": manifest.version,
        "architecture": "small-cnn",
        "snapshot id": manifest.snapshot_id,
        "held-out accuracy": pytest.approx(manifest.validation_accuracy, rel=1e-5),
    }
    assert told["metrics"] == pytest.approx(
        json.loads((tmp_path / "r1" / "metrics").read_text()), rel=1e-5
    )
    (checkpoint,) = (tmp_path / "store" / "checkpoints").rglob("state.npz")
    assert checkpoint.read_bytes() == b"", "nothing is left to continue"


def test_a_refusal_is_one_clear_line(tmp_path):
    inputs = write_inputs(tmp_path, example_rows({"train": dict.fromkeys(LABELS, 2)}, LABELS))
    done = finished(command(tmp_path, inputs, preset_of(Stage(epochs=1))))
    assert done.returncode == 2
    assert done.stderr.startswith("train failed: there are no validation rows")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "r1" / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_step_run_again_ends_with_the_very_same_model(tmp_path, sent):
    inputs = write_inputs(tmp_path)
    preset = preset_of(
        Stage(epochs=20, learning_rate=3e-3, patience=20),
        Stage(epochs=4, optimizer="sgd", learning_rate=1e-3),
    )
    assert (
        finished(command(tmp_path, inputs, preset, run="whole", store="other-store")).returncode
        == 0
    )

    with subprocess.Popen(
        command(tmp_path, inputs, preset),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            shown = progress.parse(line)
            if shown is not None and shown.unit == "epochs" and shown.done == 5:
                process.send_signal(sent)
                break
        _, errors = process.communicate(timeout=60)
    assert (
        sent == signal.SIGKILL
        or errors == "train failed: The step was asked to stop; to fix it: run it again.\n"
    ), errors
    assert process.returncode == (-signal.SIGKILL if sent == signal.SIGKILL else 143)
    assert not (tmp_path / "r1" / "model" / "model.json").exists()

    began = time.monotonic()
    again = finished(command(tmp_path, inputs, preset))
    assert again.returncode == 0, again.stderr
    assert "continuing after epoch " in again.stdout, (
        f"{time.monotonic() - began:.0f} s: {again.stdout}"
    )
    models = [contract.verified_model(tmp_path / run / "model") for run in ("whole", "r1")]
    different = {name for name in models[0].files if models[0].files[name] != models[1].files[name]}
    # TensorFlow numbers a graph's functions by how many its process had made before; all else is
    # the same, byte for byte.
    assert different <= {"saved_model/saved_model.pb"}


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_time_but_not_the_night(tmp_path):
    inputs = write_inputs(tmp_path)
    arguments = command(tmp_path, inputs, preset_of(Stage(epochs=1)))
    assert finished(arguments).returncode == 0
    (checkpoint,) = (tmp_path / "store" / "checkpoints").rglob("state.npz")
    checkpoint.write_bytes(b"torn")
    again = finished(arguments)
    assert again.returncode == 0, again.stderr
    assert "starting anew: the checkpoint can't be read" in again.stdout
