"""A training on JAX ends with its checkpoint; TensorFlow continues from it and exports."""

from __future__ import annotations

import os
import subprocess

import pytest

from components.shared.artifacts import contract
from components.shared.preset import Stage
from tests.training.support import write_inputs
from tests.training.test_step import ROOT, command, preset_of


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_jax_trained_is_exported_by_tensorflow_without_training_again(tmp_path):
    inputs = write_inputs(tmp_path)
    arguments = command(
        tmp_path,
        inputs,
        preset_of(Stage(epochs=3, learning_rate=5e-3), Stage(epochs=1, optimizer="sgd")),
    )

    trained = _run([ROOT / ".venvs" / "jax" / "bin" / "python", *arguments[1:]], "jax")
    assert trained.returncode == 5
    assert (
        "can't write SavedModel and LiteRT files; to fix it: run the same command with"
        " KERAS_BACKEND=tensorflow" in trained.stderr
    )
    assert len(trained.stderr.splitlines()) == 1
    assert "progress 4/4 epochs" in trained.stdout
    assert not (tmp_path / "r1" / "model" / "model.json").exists()

    exported = _run(arguments, "tensorflow")
    assert exported.returncode == 0, exported.stderr
    assert "continuing after epoch 4 of an earlier attempt" in exported.stdout
    assert "progress 1/4 epochs" not in exported.stdout, "nothing is trained again"
    manifest = contract.verified_model(tmp_path / "r1" / "model")
    assert (tmp_path / "store/runs/r1/tensorboard/events.out.tfevents.0.train").stat().st_size > 0
    told = next(line for line in reversed(trained.stdout.splitlines()) if "held-out" in line)
    assert manifest.validation_accuracy > 0.2, told


def _run(arguments, backend):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend}
    return subprocess.run(
        arguments,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
