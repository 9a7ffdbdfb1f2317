"""`emotion gate` from the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from pipelines.code_version import ROOT


def emotion(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.app",
        "gate",
        *arguments,
        "--store",
        str(folder / "store"),
    ]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_plan_prints_what_fer2013_can_show(tmp_path: Path) -> None:
    done = emotion(tmp_path, "plan", "--preset", "fer2013-cnn", "--rows", "3589")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "3,589 test rows, margin 1.75 points, alpha 0.05 one-sided, power 80%"
    )
    assert "while the two models differ on at most 17.8% of the rows" in done.stdout
    rows = {
        line.split()[0]: line
        for line in done.stdout.splitlines()
        if line[:1].isdigit() and "points" in line and "%" in line.split()[0]
    }
    assert rows["16%"].split()[1] == "1.66"
    assert "a person decides" in rows["18%"]
    assert "a person decides" not in rows["16%"]


def test_the_plan_takes_another_policy_and_the_rows_of_the_last_look(tmp_path: Path) -> None:
    missing = emotion(tmp_path, "plan")
    assert missing.returncode == 2
    assert "no gate has met test rows of synthetic-faces yet; expected --rows" in missing.stderr
    open_store(str(tmp_path / "store")).write(
        keys.looks("synthetic-faces"), to_json({"looks": [{"rows": 901}]}).encode()
    )
    (tmp_path / "policy.json").write_text('{"margin": 0.02}')
    assert (
        "901 test rows, margin 2 points"
        in emotion(tmp_path, "plan", "--policy", "policy.json").stdout
    )
    (tmp_path / "policy.json").write_text('{"margn": 0.02}')
    wrong = emotion(tmp_path, "plan", "--policy", "policy.json")
    assert wrong.returncode == 2
    assert "unknown field of gate policy 'margn'" in wrong.stderr
    assert "did you mean 'margin'?" in wrong.stderr


def test_nothing_to_replay(tmp_path: Path) -> None:
    done = emotion(tmp_path, "replay")
    assert (done.returncode, done.stdout.strip()) == (
        0,
        "The store keeps no case to judge again; a run keeps one when its gate has judged.",
    )
