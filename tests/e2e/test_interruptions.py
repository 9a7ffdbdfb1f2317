"""Ctrl-C and SIGKILL at every step.

No process stays, nothing is lost, and resuming ends as an uninterrupted run does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from components.shared.artifacts.contract import write_atomically
from components.shared.serialization import to_pretty_json
from components.shared.steps import STEPS
from components.shared.store import keys
from tests.e2e.nights import TINY, Desk, start_cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

RUN = "night-0"
BLESSED = set(STEPS) - {"register"}


def prepared(folder: Path) -> Desk:
    desk = Desk(folder)
    request = desk.request(RUN, TINY, desk.draw(0, count=400))
    write_atomically(desk.runs / RUN / "run.json", to_pretty_json(request).encode())
    return desk


def start_of_another_step(process: subprocess.Popen[str], seen: set[str]) -> str:
    """Read what the command says until a step starts that wasn't interrupted before."""
    said = []
    for line in process.stdout or ():
        said.append(line)
        step = line.removesuffix(" …\n")
        if step in BLESSED and step not in seen:
            return step
    raise AssertionError(f"ended without {BLESSED - seen}: {''.join(said)}")


def left_behind(desk: Desk) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                zombie = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                continue
            if str(desk.folder) in command and not zombie:
                found.append(command[:200])
    return found


def nothing_left(desk: Desk) -> None:
    for _ in range(300):
        if not left_behind(desk):
            return
        time.sleep(0.1)
    raise AssertionError(left_behind(desk))


def served_checksum(folder: Path, summary: dict[str, object]) -> str:
    """Of the file that serves. (The SavedModel beside it numbers its functions per process.)"""
    manifest = (
        folder
        / "store"
        / keys.version(TINY.model_name, str(summary["model_version"]))
        / "model.json"
    )
    return json.loads(manifest.read_text())["files"]["model.tflite"]


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_interrupted_at_every_step_and_resumed(tmp_path: Path, wish: signal.Signals) -> None:
    desk = prepared(tmp_path)
    seen: set[str] = set()
    while seen != BLESSED:
        process = start_cli(desk, RUN)
        step = start_of_another_step(process, seen)
        seen.add(step)
        process.send_signal(wish)
        told = process.communicate(timeout=60)
        assert process.returncode == (130 if wish == signal.SIGINT else -signal.SIGKILL), (
            step,
            told,
        )
        nothing_left(desk)
        assert desk.champion() is None or seen & {"deploy", "report"}
    last = start_cli(desk, RUN)
    out, err = last.communicate(timeout=400)
    assert last.returncode == 0, out + err
    summary = json.loads((desk.runs / RUN / "summary.json").read_text())
    assert summary["outcome"] == "blessed"
    assert desk.champion() == summary["model_version"]

    undisturbed = Desk(tmp_path / "undisturbed").run("once", TINY, desk.folder / "faces")
    assert undisturbed["snapshot_id"] == summary["snapshot_id"]
    assert undisturbed["metrics"]["challenger"] == summary["metrics"]["challenger"]
    assert served_checksum(tmp_path / "undisturbed", undisturbed) == served_checksum(
        tmp_path, summary
    )
