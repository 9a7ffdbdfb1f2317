"""One night in containers ends as the same night in processes does, and Ctrl-C leaves no container behind."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.shared.artifacts.contract import write_atomically
from components.shared.findings import Evidence
from components.shared.serialization import from_json, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from infra.images.engine import Engine, find_engine
from pipelines.local import run
from pipelines.local.environments import environment_python
from tests.e2e.nights import TINY, Desk, Silent, start_cli

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture
def engine() -> Engine:
    found = find_engine()
    if found is None:
        pytest.skip("no container engine answers; `make engine-up` starts one")
    return found


def findings(desk: Desk, run_id: str, step: str) -> dict[str, Any]:
    content = open_store(str(desk.store)).read(keys.evidence(run_id, step))
    assert content is not None
    return from_json(Evidence, content).findings


def sampling_plan(desk: Desk, run_id: str) -> str:
    """Example ids and repeats as text, read where pyarrow is installed."""
    (path,) = (desk.runs / run_id).rglob("plan.parquet")
    script = (
        "import sys, pyarrow.parquet as p; print(p.read_table(sys.argv[1], columns=['example_id',"
        " 'repeats']).to_pylist())"
    )
    return subprocess.run(
        [environment_python("emotion-resampling"), "-c", script, path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.usefixtures("engine")
def test_containers_give_the_same_night(tmp_path: Path) -> None:
    processes, containers = Desk(tmp_path / "processes"), Desk(tmp_path / "containers")
    faces = processes.draw(0)
    processes.run("night", TINY, faces)
    containers.store.mkdir(parents=True)
    summary = run.execute(
        replace(containers.request("night", TINY, faces), runner="docker"),
        containers.runs,
        Silent(),
    )
    assert set(summary["exit_codes"].values()) == {0}
    assert summary["outcome"] == "blessed"
    assert containers.champion() is not None

    for step in ("ingest", "gate"):
        key = {"ingest": "snapshot_id", "gate": "word"}[step]
        assert findings(containers, "night", step)[key] == findings(processes, "night", step)[key]
    assert sampling_plan(containers, "night") == sampling_plan(processes, "night")
    ours, theirs = (
        findings(desk, "night", "evaluate")["challenger"] for desk in (containers, processes)
    )
    for metric in ("accuracy", "macro_f1", "log_loss"):
        assert ours[metric] == pytest.approx(theirs[metric], abs=1e-3)


def test_ctrl_c_stops_the_container(tmp_path: Path, engine: Engine) -> None:
    desk = Desk(tmp_path)
    request = replace(desk.request("night", TINY, desk.draw(0)), runner="docker")
    desk.store.mkdir(parents=True)
    write_atomically(desk.runs / "night" / "run.json", to_pretty_json(request).encode())

    def working() -> set[str]:
        names = engine.run(
            "ps", "--filter", f"volume={desk.store}", "--format", "{{.Names}}"
        ).split()
        return {name.rsplit("-", 1)[0] for name in names}

    process = start_cli(desk, "night")
    deadline = time.monotonic() + 300
    while "emotion-ingest" not in working():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said, failed = process.communicate(timeout=120)
    assert process.returncode == 130, said + failed
    assert working() == set()
    assert "emotion run --resume" in failed
