"""Tonight's drawn faces.

Brings the embedded data to the asked night, in ingestion's environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from components.shared.errors import EmotionError, InputError
from components.shared.step import progress
from pipelines.code_version import ROOT
from pipelines.local.environments import environment_python

MANIFEST = ".synthetic-faces.json"


def draw(folder: Path, night: str, show: Callable[[progress.Progress], None]) -> None:
    """Draw a night into a folder. What an earlier, killed draw left is completed first.

    Args:
        night: ``next``, ``same``, or a number.

    Raises:
        InputError: ``same`` before the first night, or a night that is none.
        EmotionError: the drawing failed; with its last words.
    """
    number = number_of(folder, night)
    command: list[str | Path] = [
        environment_python("emotion-ingestion"),
        "-m",
        "pipelines.demo",
        "--output",
        folder,
        "--night",
        str(number),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    last = ""
    with process:
        for line in process.stdout or ():
            told = progress.parse(line)
            if told is not None:
                show(told)
            last = line.strip() or last
    if process.returncode:
        raise EmotionError(f"drawing the faces failed: {last}")


def number_of(folder: Path, night: str) -> int:
    """Return the number of the asked night, from what was drawn last."""
    manifest = folder / MANIFEST
    last = int(json.loads(manifest.read_text())["night"]) if manifest.is_file() else None
    if night == "next":
        return 0 if last is None else last + 1
    if night == "same":
        if last is None:
            raise InputError("there is no night yet to repeat", fix="start with `emotion run`")
        return max(last, 0)
    if not night.isdecimal():
        raise InputError(f"{night!r} is no night", expected="next, same or a number from 0")
    return int(night)
