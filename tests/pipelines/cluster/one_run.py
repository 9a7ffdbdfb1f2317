"""One run and what it leaves in its store, for the tests of `emotion status`, `logs` and `stop`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.shared.findings import Evidence
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.pipelines.cluster.recorded_runs import RecordedRun

RUN_ID = "11111111-2222-3333-4444-555555555555"


def leave(tmp_path: Path, step: str, status: str, error: str = "", **more: Any) -> None:
    """What a step writes into the store."""
    ended = (
        {}
        if status == "running"
        else {"finished_at": "2026-12-01T03:00:00.000+00:00", "seconds": 61.0}
    )
    evidence = Evidence(
        step, "night-1", status, "2026-12-01T02:40:00.000+00:00", error=error, **ended, **more
    )  # type: ignore[arg-type]
    open_store(str(tmp_path / "store")).write(
        keys.evidence("night-1", step), to_json(evidence).encode()
    )


def summarize(tmp_path: Path, **fields: Any) -> None:
    open_store(str(tmp_path / "store")).write(
        f"{keys.run('night-1')}/summary.json", json.dumps(fields).encode()
    )


def night(*names: str) -> RecordedRun:
    recorded = RecordedRun()
    for name in names:
        recorded.step(name)
    return recorded
