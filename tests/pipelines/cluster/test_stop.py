"""`emotion stop`.

The run ends once, its report is written by its step or from here, or it is said why not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.shared.errors import EmotionError
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from pipelines import presets
from pipelines.cli.kubeflow import watch
from pipelines.cluster import stop
from pipelines.local.environments import environment_python
from tests.pipelines.cluster.kfp_server import KfpServer
from tests.pipelines.cluster.one_run import RUN_ID, leave, night
from tests.pipelines.cluster.recorded_runs import RUNNING, RecordedRun


@pytest.fixture
def recorded(server: KfpServer, monkeypatch: pytest.MonkeyPatch) -> RecordedRun:
    """A run whose second step runs; Argo ends the report's pod while it is pending."""
    monkeypatch.setattr(watch, "STOP_POLL_SECONDS", 0)
    monkeypatch.setattr(watch, "STOP_SECONDS", 1)
    run = night("resolve").step("ingest", RUNNING)
    server.report(RUN_ID, run.manifest())
    server.terminated = lambda run_id: server.report(run_id, run.stopped().manifest())
    server.runs[0]["runtime_config"]["parameters"]["preset"] = to_json(
        presets.preset(presets.DEFAULT)
    )
    return run


@pytest.mark.usefixtures("recorded")
def test_a_report_that_argo_ended_is_written_from_here(
    server: KfpServer, printed: Callable[..., str], tmp_path: Path
) -> None:
    try:
        environment_python("emotion-reporting")
    except EmotionError:
        pytest.skip("reporting's environment isn't here")
    leave(tmp_path, "resolve", "running")
    told = printed("stop", "tonight")
    location = tmp_path / "store" / keys.run("night-1") / "report.html"
    assert told == f"stopping: tonight\nstopped: tonight\nreport, written from here: {location}\n"
    assert "<html" in location.read_text()
    summary = json.loads((location.parent / "summary.json").read_bytes())
    assert (summary["outcome"], summary["pipeline_error"]) == (
        "failed",
        "pipeline canceled, stopped with `emotion stop`",
    )
    assert server.runs[0]["state"] == "FAILED"


def test_a_report_that_its_own_step_wrote(
    server: KfpServer,
    printed: Callable[..., str],
    tmp_path: Path,
    recorded: RecordedRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stop, "run_component", lambda *given: pytest.fail("written already"))
    server.terminated = lambda run_id: server.report(
        run_id, recorded.stopped(report=True).manifest()
    )
    assert printed("stop", "tonight").endswith(
        f"report: {tmp_path}/store/runs/night-1/report.html\n"
    )


@pytest.mark.usefixtures("recorded")
def test_the_report_waits_for_what_the_steps_say_at_their_end(
    server: KfpServer, printed: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STOP_SECONDS", 60)
    leave(tmp_path, "ingest", "running")
    looks = iter(range(9))

    def a_step_ends(method: str, path: str) -> None:
        if path == f"/apis/v1beta1/runs/{RUN_ID}" and next(looks) == 3:
            leave(
                tmp_path, "ingest", "failed", "The step was asked to stop; to fix it: run it again."
            )

    server.before = a_step_ends
    seen: list[str] = []
    key = keys.evidence("night-1", "ingest")
    store = open_store(str(tmp_path / "store"))
    monkeypatch.setattr(
        stop,
        "run_component",
        lambda *given: seen.append(json.loads(store.read(key) or b"")["status"]) or 0,
    )
    printed("stop", "tonight")
    assert seen == ["failed"]


@pytest.mark.usefixtures("recorded")
def test_a_store_out_of_reach(server: KfpServer, printed: Callable[..., str]) -> None:
    server.runs[0]["runtime_config"]["parameters"]["store"] = "pvc://faces/store"
    told = printed("stop", "tonight")
    assert (
        "no report was written: its step failed: the pod that prepares it; Step exceeded its"
        " deadline; from here: the claim faces" in told
    )


@pytest.mark.usefixtures("recorded")
def test_reporting_that_fails_from_here(
    server: KfpServer, printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "run_component", lambda *given: 5)
    assert (
        "from here: the report can't be written from here; received exit code 5 of reporting's"
        " command." in printed("stop", "tonight")
    )


def test_stopping_again_while_it_ends_and_afterwards(
    server: KfpServer,
    printed: Callable[..., str],
    recorded: RecordedRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "STOP_SECONDS", 0)
    server.terminated = lambda run_id: None
    assert (
        printed("stop", "tonight")
        == "stopping: tonight\nit is still ending; `emotion stop tonight` waits on, and sees to its"
        " report\n"
    )
    assert printed("stop", "tonight").startswith("already stopping: tonight\n")
    assert [path for method, path in server.requests if method == "POST"] == [
        f"/apis/v2beta1/runs/{RUN_ID}:terminate"
    ]
    server.report(RUN_ID, recorded.stopped().manifest())
    with pytest.raises(
        EmotionError,
        match=(
            "the run tonight has ended already: failed; to fix it: `emotion status tonight`"
            " says how"
        ),
    ) as refused:
        printed("stop", "tonight")
    assert refused.value.exit_code == 2


def test_a_run_that_ends_by_itself_in_the_same_moment(
    server: KfpServer, printed: Callable[..., str], recorded: RecordedRun
) -> None:
    done = night("resolve", "report").ended().manifest()
    server.before = lambda method, path: server.report(RUN_ID, done) if method == "POST" else None
    with pytest.raises(EmotionError, match="the run tonight has ended already: succeeded"):
        printed("stop", "tonight")


@pytest.mark.usefixtures("recorded")
def test_what_status_says_of_a_stopped_run(
    server: KfpServer, printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "run_component", lambda *given: 1)
    printed("stop", "tonight")
    told = printed("status", "tonight")
    assert told.startswith("tonight failed: stopped, retry exceeded workflow deadline")
    assert "Step exceeded its deadline" in told
