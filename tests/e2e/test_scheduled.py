"""Firings of a schedule, as the backend of Kubeflow Pipelines makes them.

First, same data, other data.

The drivers', launchers' and the cache's rules are those of `tests.pipelines.kfp_backend`; the steps
are the real ones, each in its component's environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from components.shared.serialization import to_json
from components.shared.store.interface import open_store
from pipelines import code_version
from pipelines.compiler import compile_pipeline
from pipelines.local.environments import environment_python
from pipelines.resources import Cluster
from tests.e2e.nights import TINY, Desk
from tests.pipelines.kfp_backend.compiled import Compiled, read
from tests.pipelines.kfp_backend.recurring import Schedule, check_parameters, facts_of
from tests.pipelines.kfp_backend.runs import Backend, Container, Run

pytestmark = pytest.mark.timeout(1200)

STEPS = (
    "resolve",
    "ingest",
    "validate",
    "resample",
    "train",
    "evaluate",
    "check-serving",
    "gate",
    "deploy",
    "report",
)


def in_environment(container: Container) -> int:
    """Run a container's command line as a process, in the environment that stands for its image."""
    python = environment_python(container.image)
    environment = {
        **os.environ,
        "PYTHONPATH": str(code_version.ROOT),
        "EMOTION_IMAGE": container.image,
    }
    done = subprocess.run(
        [python, *container.command[1:]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    (container.root / f"{container.task}.log").write_text(done.stdout + done.stderr)
    return done.returncode


class Cron:
    """A schedule, the backend that its runs run on, and one second for each."""

    def __init__(self, desk: Desk, backend: Backend) -> None:
        self.backend = backend
        self.compiled: Compiled = read(
            compile_pipeline(
                code_version.image_references("localhost"),
                Cluster(code_version=code_version.code_version()),
            )
        )
        parameters = {
            "preset": to_json(TINY),
            "source": str(desk.folder / "faces"),
            "store": str(desk.store),
        }
        check_parameters(self.compiled.parameters, parameters)
        self.now = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
        self.schedule = Schedule("nightly7x2kq", "0 30 2 * * *", parameters, self.now)

    def fire(self, run_id: str) -> Run:
        self.now += timedelta(days=1)
        fired = self.schedule.fire(self.now, 0, ZoneInfo("UTC"))
        assert fired is not None
        return self.backend.run(
            self.compiled, dict(self.schedule.parameters), facts_of(run_id, *fired, self.now)
        )


def summary(desk: Desk, run_id: str) -> dict[str, Any]:
    return dict(
        json.loads(open_store(str(desk.store)).read(f"runs/{run_id}/summary.json") or b"{}")
    )


def runs_in_store(desk: Desk) -> set[str]:
    return {
        key.split("/")[1] for key in open_store(str(desk.store)).list("runs") if key.count("/") > 1
    }


def test_each_firing_is_a_run_of_its_own(tmp_path: Path) -> None:
    """Resolve and report are the real ones.

    What lies between them is told to stop, so that the second firing has something to do, too.
    """
    desk = Desk(tmp_path)
    desk.draw(0, count=60)

    def step(container: Container) -> int:
        if container.task in ("resolve", "report"):
            return in_environment(container)
        container.write_parameters({"decision": "stop"} if container.task == "validate" else {})
        return 0

    cron = Cron(desk, Backend(step, tmp_path))
    for run_id in ("0f6b4c5e-1111-4a4a-8888-000000000001", "0f6b4c5e-1111-4a4a-8888-000000000002"):
        run = cron.fire(run_id)
        assert run.state == "SUCCEEDED", (tmp_path / "resolve.log").read_text() + (
            tmp_path / "report.log"
        ).read_text()
        states = run.states(STEPS)
        assert states == {
            "resolve": "COMPLETE",
            "ingest": "COMPLETE",
            "validate": "COMPLETE",
            "report": "COMPLETE",
        }
        assert run.task("resolve").outputs["parameters"]["run"] == run_id
        assert summary(desk, run_id)["run_id"] == run_id
    assert runs_in_store(desk) == {
        "0f6b4c5e-1111-4a4a-8888-000000000001",
        "0f6b4c5e-1111-4a4a-8888-000000000002",
    }


@pytest.mark.slow
def test_first_same_data_other_data(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    cron = Cron(desk, Backend(in_environment, tmp_path))
    ids = [f"0f6b4c5e-2222-4a4a-8888-00000000000{number}" for number in range(3)]

    desk.draw(0)
    first = cron.fire(ids[0])
    assert first.states(STEPS) == dict.fromkeys(STEPS, "COMPLETE"), [
        log.read_text()[-500:] for log in tmp_path.glob("*.log")
    ]
    assert summary(desk, ids[0])["outcome"] == "blessed"
    champion = desk.champion()

    same = cron.fire(ids[1])
    assert same.states(STEPS) == {"resolve": "COMPLETE", "report": "COMPLETE"}
    assert summary(desk, ids[1])["outcome"] == "nothing-new"
    assert desk.champion() == champion

    desk.draw(1)
    other = cron.fire(ids[2])
    assert other.states(STEPS) == dict.fromkeys(STEPS, "COMPLETE")
    assert summary(desk, ids[2])["outcome"] in ("blessed", "rejected", "needs-approval")
    assert desk.champion() != champion

    assert runs_in_store(desk) == set(ids)
    assert [summary(desk, run_id)["run_id"] for run_id in ids] == ids
