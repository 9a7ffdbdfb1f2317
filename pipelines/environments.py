"""Which environment on this machine stands for which image."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from components.contracts.errors import EnvironmentProblem
from pipelines.code import ROOT

_IMAGE = re.compile(r"(?:^|/)emotion-(?P<component>[a-z]+)(?::|$)")


def environment_python(image: str) -> Path:
    """The interpreter of the environment that stands for an image on this machine."""
    match = _IMAGE.search(image)
    if match is None:
        raise EnvironmentProblem(f"no local environment stands for the image {image}", expected="emotion-<component>:<tag>")
    python = ROOT / ".venvs" / match["component"] / "bin" / "python"
    if not python.exists():
        raise EnvironmentProblem(f"the environment of {match['component']} is missing", expected=str(python), fix="run `make install`")
    return python


def run_component(component: str, arguments: Sequence[str | Path]) -> int:
    """Run ``python -m components.<component> ...`` in its environment, on this terminal; its exit code.

    For commands that need a component's own libraries. Ctrl-C reaches it like any other program in the foreground; SIGTERM
    is passed on.
    """
    command = [environment_python(f"emotion-{component}"), "-m", f"components.{component}", *arguments]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the terminal sent it to the component too, which ends by itself
    finally:
        signal.signal(signal.SIGTERM, before)
