"""The same training on TensorFlow and on JAX, on one device and on two.

The same losses and weights, within rounding.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def few_steps(weights: Path, backend: str, devices: str = "one") -> dict[str, Any]:
    python = ROOT / ".venvs" / ("jax" if backend == "jax" else "training") / "bin" / "python"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if devices == "all" and backend == "jax":
        environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    command = [python, "-m", "tests.training.few_steps", str(weights), devices]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """Start weights, and what TensorFlow on one device makes of them."""
    weights = tmp_path_factory.mktemp("weights") / "weights.npz"
    return weights, few_steps(weights, "tensorflow")


def close(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in ("loss", "val_loss", "norms"):
        assert np.allclose(one[name], other[name], rtol=2e-3), name
    assert abs(one["loss"][-1] / one["loss"][0] - 1) > 0.005, (
        "training that does nothing would agree too"
    )


def test_jax_trains_as_tensorflow_does_and_without_it(alone):
    found = few_steps(alone[0], "jax")
    assert (found["backend"], found["tensorflow"]) == ("jax", False)
    close(alone[1], found)


def test_only_the_backend_package_imports_a_backend():
    guilty = set()
    for path in (ROOT / "components" / "training").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            guilty |= {
                path.parent.name for name in names if name.split(".")[0] in ("tensorflow", "jax")
            }
    assert guilty == {"backend"}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_as_one_does(alone, backend):
    close(alone[1], few_steps(alone[0], backend, "all"))
