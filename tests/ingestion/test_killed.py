"""Killed at any moment, with everything it started.

Nothing readable is half written, and the next try gives the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.artifacts.contract import MARKERS, Snapshot, read_marker
from components.shared.errors import ContractError
from components.shared.store import keys
from tests.ingestion.support import Bench, as_zip, bench, class_folders

ROOT = Path(__file__).parents[2]
KILLS = 20
# Imports once, then runs the step for every line of arguments, each time in a child that leads a
# process group of its own.
PROGRAM = """
import json, os, sys
from components.ingestion import ingest
from components.ingestion.snapshot import schemas as tables
from components.ingestion.sources.layouts import layout as layouts
from components.ingestion.__main__ import STEPS
from components.shared.step.frame import main
layouts.BATCH_ROWS, tables.SHARD_ROWS = 50, 200
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main("ingestion", STEPS, json.loads(line)))
    os.setpgid(child, child)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="kills process groups"),
]


class Tries:
    """Runs of the step, one after the other."""

    def __init__(self, night: Bench) -> None:
        frame = ["--run-id", "r1", "--store", night.store.uri, "--preset", night.preset_json]
        self._arguments = json.dumps(
            ["ingest", *frame, "--plan", night.output("plan"), "--examples", str(night.examples)]
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def once(self, killed_after: float | None = None) -> int:
        """Exit code of a run that is killed after so many seconds, or never."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(self._arguments, file=self.process.stdin, flush=True)
        child = int(self.process.stdout.readline())
        if killed_after is not None:
            time.sleep(killed_after)
            with contextlib.suppress(ProcessLookupError):  # it has done
                os.killpg(child, signal.SIGKILL)
        return int(self.process.stdout.readline())


@pytest.fixture
def night(tmp_path: Path) -> Bench:
    night = bench(tmp_path)
    assert (
        night.resolve(
            as_zip(
                tmp_path / "faces.zip", {**class_folders(each=300), "train/happy/bad.png": b"bad"}
            )
        )
        == 0
    )
    return night


@pytest.fixture
def tries(night: Bench) -> Iterator[Tries]:
    tries = Tries(night)
    with tries.process as process:
        yield tries
        process.kill()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def snapshots(night: Bench) -> list[Path]:
    """What a reader of the store finds."""
    return [
        (night.store.root / key).parent
        for key in night.store.list("snapshots")
        if key.endswith(f"/{MARKERS['examples']}")
    ]


def test_a_step_killed_at_a_random_moment_leaves_nothing_half_written(
    night: Bench, tries: Tries
) -> None:
    assert tries.once() == 0
    shutil.rmtree(night.store.root / "snapshots")
    began = time.monotonic()
    assert tries.once() == 0  # the first one waited for the imports
    lasted = time.monotonic() - began
    expected = contents(night.examples)
    snapshot = read_marker(night.examples, "examples", Snapshot)
    stored = night.store.root / keys.snapshot(snapshot.source_id, snapshot.snapshot_id)
    assert contents(stored) == expected

    draw = random.Random(3)
    codes = []
    for number in range(KILLS):
        shutil.rmtree(night.store.root / "snapshots", ignore_errors=True)
        # A random moment in each twentieth of the time that a whole run takes.
        codes.append(tries.once(killed_after=lasted * (number + draw.random()) / KILLS))
        if (night.examples / MARKERS["examples"]).exists():
            assert contents(night.examples) == expected
        else:
            with pytest.raises(ContractError, match="is incomplete"):
                read_marker(night.examples, "examples", Snapshot)
        assert [contents(folder) for folder in snapshots(night)] in ([], [expected])
    assert codes.count(-signal.SIGKILL) >= KILLS // 2, "most were killed before they had done"

    assert tries.once() == 0
    assert contents(night.examples) == expected
    assert snapshots(night) == [stored]
    assert contents(stored) == expected
