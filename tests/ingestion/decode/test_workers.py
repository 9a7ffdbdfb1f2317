"""A step that reads with worker processes ends when it is told to, leaves none behind, and notices one that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.serialization import to_json
from tests.ingestion.support import Bench, as_zip, bench, class_folders

ROOT = Path(__file__).parents[3]
# The step with two processes and many small batches, however little there is to read.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from components.ingestion.decode import beam_pipeline as flow
from components.ingestion.snapshot import schemas as tables
from components.ingestion.sources.layouts import layout as layouts
from components.ingestion.__main__ import STEPS
from components.shared.step.frame import main
flow.SECONDS_FOR_PROCESSES = -1.0
flow.os.sched_getaffinity = lambda process: {0, 1}
layouts.BATCH_ROWS = 2
sys.exit(main("ingestion", STEPS))
"""
# Reads a source that is gone. Beam gives the first piece of work to the second worker; the first
# one isn't there yet when that fails.
LATE = """
import os, sys
from pathlib import Path
import numpy as np
from components.shared.errors import InputError
from components.shared.labels import taxonomy
from components.ingestion.decode import beam_pipeline as flow
from components.ingestion.sources.detection import detect
from components.ingestion.sources.storage.open import open_place
from tests.ingestion.decode import late_worker

os.environ[late_worker.AT_ONCE] = "worker_1"
flow.WORKER_MODULE = late_worker.__name__
archive = Path(sys.argv[1])
place = open_place(str(archive))
reading = detect(place, taxonomy("basic-7")).reading(place, archive.parent)
archive.unlink()
try:
    flow.run_flow(flow.plan_spans(reading.rows, np.arange(16)), reading, place, str(archive.parent), processes=2)
except InputError as error:
    print(str(error).partition(" /")[0])
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.fixture
def night(tmp_path: Path) -> Bench:
    night = bench(tmp_path)
    assert night.resolve(as_zip(tmp_path / "faces.zip", class_folders(each=3000))) == 0
    return night


@pytest.fixture
def step(night: Bench) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "ingest",
        "--run-id",
        "r1",
        "--store",
        night.store.uri,
        "--preset",
        to_json(night.preset),
    ]
    command += ["--plan", night.output("plan"), "--examples", str(night.examples)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def children(process: int) -> list[int]:
    found = [
        int(child)
        for task in Path(f"/proc/{process}/task").glob("*/children")
        for child in task.read_text().split()
    ]
    return [
        child
        for child in found
        if b"components.ingestion.decode.beam_worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def parts(night: Bench) -> int:
    return len(list((night.examples / ".parts").glob("accepted-*")))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("moment", ["starting", "reading"])
def test_a_signal_ends_the_step_and_its_workers(
    night: Bench, step: subprocess.Popen[str], number: signal.Signals, code: int, moment: str
) -> None:
    until(lambda: len(children(step.pid)) == 2)
    if moment == "reading":
        until(lambda: parts(night) > 2)
    workers = children(step.pid)
    step.send_signal(number)
    assert step.wait(30) == code
    until(lambda: not any(map(running, workers)), 5)


def test_a_worker_that_dies_ends_the_run_with_one_clear_line(
    night: Bench, step: subprocess.Popen[str]
) -> None:
    until(lambda: len(children(step.pid)) == 2 and parts(night) > 2)
    workers = children(step.pid)
    os.kill(workers[0], signal.SIGKILL)
    assert step.wait(30) == 5
    assert step.stderr is not None
    assert "ingest failed: a reading process ended before its work was done" in step.stderr.read()
    until(lambda: not any(map(running, workers)), 5)


def test_killing_the_step_kills_its_workers(night: Bench, step: subprocess.Popen[str]) -> None:
    until(lambda: len(children(step.pid)) == 2 and parts(night) > 2)
    workers = children(step.pid)
    step.kill()
    step.wait(30)
    until(lambda: not any(map(running, workers)), 5)


def test_left_alone_it_ends_well(night: Bench, step: subprocess.Popen[str]) -> None:
    out, error = step.communicate(timeout=200)
    assert step.returncode == 0, error
    assert "progress 12000/12000 images" in out
    assert night.findings()["runner"] == "FnApiRunner, 2 processes"
    assert night.findings()["accepted"] == 12000


def test_a_worker_that_comes_when_all_is_over_is_told_so(tmp_path: Path) -> None:
    archive = as_zip(tmp_path / "faces.zip", class_folders())
    done = subprocess.run(
        [sys.executable, "-c", LATE, str(archive)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout.splitlines() == ["there is no source at"], done.stderr
