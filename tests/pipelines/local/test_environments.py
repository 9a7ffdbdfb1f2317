from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.environments import unsupported
from pipelines.code_version import ROOT

# A checkout with one component, which waits to be asked to stop.
TOY = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
Path("ready").touch()
time.sleep(60)
"""
COMMAND = """
import sys
from pathlib import Path
from pipelines.cli import app
from pipelines.local import environments
environments.ROOT = Path.cwd()
app.signal.signal(app.signal.SIGTERM, app._interrupt)
sys.exit(environments.run_component("toy", []))
"""


@pytest.mark.parametrize(
    ("python", "glibc"), [((3, 11), "2.36"), ((3, 12), "2.39"), ((3, 13), "2.41"), ((3, 12), "")]
)
def test_machines_that_can(python: tuple[int, int], glibc: str) -> None:
    assert unsupported(python, glibc) == ""


@pytest.mark.parametrize(
    ("python", "glibc", "words"),
    [
        ((3, 10), "2.36", "expected 3.11, 3.12 or 3.13"),
        ((3, 14), "2.41", "expected 3.11"),
        ((3, 13), "2.36", "expects glibc 2.39 from Python 3.12 on"),
    ],
)
def test_machines_that_cannot_are_told_what_to_do(
    python: tuple[int, int], glibc: str, words: str
) -> None:
    problem = unsupported(python, glibc)
    assert words in problem
    assert "make PYTHON=python3.11" in problem


def test_a_command_that_is_asked_to_stop_asks_its_component(tmp_path: Path) -> None:
    for folder in (tmp_path / "components" / "toy", tmp_path / ".venvs" / "toy" / "bin"):
        folder.mkdir(parents=True)
    for package in (tmp_path / "components", tmp_path / "components" / "toy"):
        (package / "__init__.py").touch()
    (tmp_path / "components" / "toy" / "__main__.py").write_text(TOY)
    (tmp_path / ".venvs" / "toy" / "bin" / "python").symlink_to(sys.executable)
    with subprocess.Popen(
        [sys.executable, "-P", "-c", COMMAND], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    ) as process:
        for _ in range(600):
            if (tmp_path / "ready").exists():
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
