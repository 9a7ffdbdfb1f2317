"""Every preset trains on JAX, where TensorFlow isn't installed."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest

from pipelines.presets import PRESETS
from tests.training.test_backends import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_jax_trains_every_preset():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"}
    command = [ROOT / ".venvs" / "jax" / "bin" / "python", "-m", "tests.training.each_preset"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=850
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["backend"], found["tensorflow"]) == ("jax", False)
    stages = {name: len(losses) for name, losses in found["losses"].items()}
    assert stages == {name: len(preset.training.stages) for name, preset in PRESETS.items()}
    assert np.isfinite([loss for losses in found["losses"].values() for loss in losses]).all()
