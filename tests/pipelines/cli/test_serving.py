"""`emotion predict` and `emotion serve`: which version they take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from components.deployment.registry.registry import Registry
from components.shared.store.interface import open_store
from pipelines.code_version import ROOT
from tests.deployment.builders import signed, verdict_on, write_model


def emotion(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.app",
        *arguments,
        "--store",
        str(folder / "store"),
    ]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def promote(folder: Path, name: str) -> str:
    version = write_model(folder / name, name.encode()).version
    Registry(open_store(str(folder / "store")), name).promote(
        folder / name, "run-1", verdict_on(version), signed("gate")
    )
    return version


def test_without_a_champion_there_is_nothing_to_ask(tmp_path: Path) -> None:
    for arguments in (("predict", "--image", "face.png"), ("serve",)):
        done = emotion(tmp_path, *arguments)
        assert done.returncode == 2
        assert "has no champion" in done.stderr


def test_several_models_ask_for_a_name(tmp_path: Path) -> None:
    promote(tmp_path, "one")
    promote(tmp_path, "two")
    done = emotion(tmp_path, "predict", "--image", "face.png")
    assert done.returncode == 2
    assert "expected --model, one of one, two" in done.stderr


def test_the_champions_files_are_what_is_loaded(tmp_path: Path) -> None:
    version = promote(tmp_path, "one")
    promote(tmp_path, "two")
    for arguments in (("--model", "one"), ("--version", version[:8])):
        done = emotion(tmp_path, "predict", "--image", "face.png", *arguments)
        assert done.returncode == 3, "these builders write no file that a runtime loads"
        assert "model.tflite" in done.stderr
    assert "unknown version" in emotion(tmp_path, "serve", "--version", "0000").stderr
