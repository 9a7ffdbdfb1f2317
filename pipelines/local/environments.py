"""Which environment on this machine stands for which image."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from components.shared.errors import EnvironmentProblem
from pipelines.code_version import ROOT

_IMAGE = re.compile(r"(?:^|/)emotion-(?P<component>[a-z]+)(?::|$)")


def environment_python(image: str) -> Path:
    """Return the interpreter of the environment that stands for an image on this machine."""
    match = _IMAGE.search(image)
    if match is None:
        raise EnvironmentProblem(
            f"no local environment stands for the image {image}",
            expected="emotion-<component>:<tag>",
        )
    python = ROOT / ".venvs" / match["component"] / "bin" / "python"
    if not python.exists():
        raise EnvironmentProblem(
            f"the environment of {match['component']} is missing",
            expected=str(python),
            fix="run `make install`",
        )
    return python


def run_component(
    component: str,
    arguments: Sequence[str | Path],
    tell: tuple[Callable[[str], None], Callable[[str], None]] | None = None,
) -> int:
    """Run ``python -m components.<component> ...`` in its environment, on this terminal.

    Its exit code.

    For commands that need a component's own libraries. Ctrl-C reaches it like any other program in
    the foreground; SIGTERM is passed on.

    Args:
        tell: called with each line of its output and of its errors, where they don't go to the
            terminal as they are.
    """
    command = [
        environment_python(f"emotion-{component}"),
        "-m",
        f"components.{component}",
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE if tell else None
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        pipes = zip((process.stdout, process.stderr), tell, strict=True) if tell else ()
        readers = [Thread(target=_read, args=pair) for pair in pipes]
        for reader in readers:
            reader.start()
        code = _wait(process)
        for reader in readers:
            reader.join()
    return code


def _read(stream: IO[str], tell: Callable[[str], None]) -> None:
    for line in stream:
        tell(line.rstrip("\n"))


def _wait(process: subprocess.Popen[str]) -> int:
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the terminal sent it to the component too, which ends by itself
    finally:
        signal.signal(signal.SIGTERM, before)
