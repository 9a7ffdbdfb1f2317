"""A real process that promotes night after night, killed at random moments.

The registry always opens with a valid champion.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deployment.builders import check_opens, write_model
from tests.deployment.promoting import NIGHTS

ROOT = Path(__file__).parents[2]
KILLS = 25
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("server", ["disk", "gs"], indirect=True, scope="module")
def test_killed_at_any_moment_the_registry_opens(place, tmp_path):
    for night in range(NIGHTS):
        version = write_model(tmp_path / f"model-{night}", b"%d" % night * 400_000).version
        (tmp_path / f"model-{night}.version").write_text(version)
    moments, uri = random.Random(20261121), place()
    command = [sys.executable, "-m", "tests.deployment.promoting", uri, str(tmp_path)]
    decided = 0
    for kill in range(KILLS):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
        process.stdout.close()
        now = check_opens(uri, tmp_path / "cache" / f"{kill}")
        latest = now.decision.number if now.decision else 0
        assert latest >= decided, "what was decided stays decided"
        assert now.champion is not None or latest == 0
        decided = latest
    assert decided > KILLS, "most of them got somewhere"
