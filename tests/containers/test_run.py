"""One night in containers ends as the same night in processes does."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.contracts import layout
from components.contracts.codec import from_json
from components.contracts.findings import Evidence
from components.runtime.store import open_store
from infra.images.engine import find_engine
from pipelines import running
from pipelines.environments import environment_python
from tests.e2e.nights import TINY, Desk, Silent

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def findings(desk: Desk, run_id: str, step: str) -> dict[str, Any]:
    content = open_store(str(desk.store)).read(layout.evidence(run_id, step))
    assert content is not None
    return from_json(Evidence, content).findings


def sampling_plan(desk: Desk, run_id: str) -> str:
    """Example ids and repeats as text, read where pyarrow is installed."""
    (path,) = (desk.runs / run_id).rglob("plan.parquet")
    script = "import sys, pyarrow.parquet as p; print(p.read_table(sys.argv[1], columns=['example_id', 'repeats']).to_pylist())"
    return subprocess.run([environment_python("emotion-resampling"), "-c", script, path], check=True, capture_output=True, text=True).stdout


def test_containers_give_the_same_night(tmp_path: Path) -> None:
    if find_engine() is None:
        pytest.skip("no container engine answers; `make engine-up` starts one")
    processes, containers = Desk(tmp_path / "processes"), Desk(tmp_path / "containers")
    faces = processes.draw(0)
    processes.run("night", TINY, faces)
    containers.store.mkdir(parents=True)
    summary = running.execute(replace(containers.request("night", TINY, faces), runner="docker"), containers.runs, Silent())
    assert set(summary["exit_codes"].values()) == {0}
    assert summary["outcome"] == "blessed"
    assert containers.champion() is not None

    for step in ("ingest", "gate"):
        key = {"ingest": "snapshot_id", "gate": "word"}[step]
        assert findings(containers, "night", step)[key] == findings(processes, "night", step)[key]
    assert sampling_plan(containers, "night") == sampling_plan(processes, "night")
    ours, theirs = (findings(desk, "night", "evaluate")["challenger"] for desk in (containers, processes))
    for metric in ("accuracy", "macro_f1", "log_loss"):
        assert ours[metric] == pytest.approx(theirs[metric], abs=1e-3)
