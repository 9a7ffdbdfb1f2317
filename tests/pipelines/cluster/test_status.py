"""`emotion status` and `logs` on five shapes of an answer.

Complete, standing still in an ended run, empty, waiting, and archived.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from components.shared.errors import EmotionError
from components.shared.findings import Evidence
from components.shared.steps import STEPS
from pipelines.cli.kubeflow import watch
from pipelines.cluster import status, steps
from tests.pipelines.cli.command_line import emotion
from tests.pipelines.cluster.kfp_server import KfpServer, Refused
from tests.pipelines.cluster.one_run import RUN_ID, leave, night, summarize
from tests.pipelines.cluster.recorded_runs import (
    FAILED,
    LOST,
    NAME,
    PENDING,
    RUNNING,
    SCHEDULER,
    Attempt,
    RecordedRun,
)

TO_GATE = (
    "resolve",
    "ingest",
    "validate",
    "resample",
    "train",
    "evaluate",
    "check-serving",
    "gate",
)
REASON = "the predictor wasn't ready within 10 min; expected Ready; received ImagePullBackOff"


def rows(text: str) -> dict[str, list[str]]:
    """The words of each step's line."""
    return {
        words[0]: words[1:]
        for words in map(str.split, text.splitlines())
        if words and words[0] in STEPS
    }


def failed_at_deploy(server: KfpServer, tmp_path: Path) -> RecordedRun:
    """A night of full length.

    The workflow passes 1 MiB while deploy runs, deploy fails, the report is written.
    """
    recorded = night(*TO_GATE).step("deploy", RUNNING)
    server.report(RUN_ID, recorded.manifest())
    recorded = (
        night(*TO_GATE)
        .step("deploy", FAILED)
        .step("report")
        .ended("Failed", "child 'deploy' failed")
    )
    server.report(RUN_ID, recorded.manifest(compressed=True))
    for step in TO_GATE:
        leave(tmp_path, step, "succeeded")
    leave(tmp_path, "deploy", "failed", REASON)
    return recorded


class TestTasksComplete:
    def test_every_step_with_state_attempts_and_duration(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        recorded = night("resolve").step("ingest", cached=True).step("validate").step("resample")
        recorded.step("train", LOST, LOST, Attempt(seconds=3000))
        for step in ("evaluate", "check-serving", "gate", "deploy", "report"):
            recorded.step(step)
        server.report(RUN_ID, recorded.ended().manifest())
        told = printed("status", "tonight")
        assert told.splitlines()[0] == "tonight succeeded"
        found = rows(told)
        assert list(found) == [*TO_GATE, "deploy", "report"]
        assert found["resolve"] == ["succeeded", "1", "60", "s"]
        assert found["ingest"] == ["cached"]
        assert found["train"] == [
            "succeeded",
            "3",
            "51",
            "min",
            "an",
            "earlier",
            "attempt:",
            "pod",
            "deleted",
        ]

    def test_a_night_with_nothing_new(self, server: KfpServer, printed: Callable[..., str]) -> None:
        server.report(RUN_ID, night("resolve", "report").ended().manifest())
        assert list(rows(printed("status", "tonight"))) == ["resolve", "report"]

    def test_a_failed_step_with_argos_reason_and_its_own(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        recorded = (
            night("resolve")
            .step("ingest", FAILED)
            .skipped("validate")
            .step("report")
            .ended("Failed", "child 'ingest' failed")
        )
        server.report(RUN_ID, recorded.manifest())
        leave(
            tmp_path,
            "ingest",
            "failed",
            "there is nothing at gs://bucket/faces; to fix it: check --data.",
        )
        told = printed("status", "tonight")
        assert told.startswith("tonight failed: child 'ingest' failed\n")
        assert (
            "there is nothing at gs://bucket/faces; to fix it: check --data; Error (exit code 1)"
            in told
        )
        assert "validate" not in rows(told)

    def test_a_task_that_could_not_be_prepared(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        recorded = (
            night("resolve")
            .step("ingest", driver=Attempt("Failed", 5, "Error (exit code 1)"))
            .step("report")
        )
        server.report(RUN_ID, recorded.ended("Failed").manifest())
        told = printed("status", "tonight")
        assert rows(told)["ingest"][0] == "failed"
        assert "the pod that prepares it; Error (exit code 1)" in told

    def test_the_logs_of_every_attempt(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        recorded = night("resolve").step("ingest", LOST, RUNNING)
        server.report(RUN_ID, recorded.manifest())
        server.logs = {
            recorded.pod("resolve"): "[1/2] listed\n",
            recorded.pod("ingest", 1): "read 40 %\n",
        }
        assert (
            printed("logs", "tonight", "resolve")
            == f"{recorded.pod('resolve')} (from its pod, or Argo's archive if the pod is"
            " gone)\n[1/2] listed\n"
        )
        told = printed("logs", "tonight", "ingest")
        assert told.startswith(f"{recorded.pod('ingest', 1)} (from its pod)\nread 40 %\n")
        assert (
            f"nothing that {recorded.pod('ingest')} printed can be read: Failed to read logs"
            in told
        )
        with pytest.raises(
            EmotionError,
            match="train didn't begin in run tonight; expected a step that began: resolve, ingest",
        ):
            printed("logs", "tonight", "train")


class TestTasksStandingStillInAnEndedRun:
    def test_the_nodes_that_argo_compressed_are_read(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        failed_at_deploy(server, tmp_path)
        standing_still = server.runs[0]["run_details"]["task_details"]
        assert {task["state"] for task in standing_still if task["display_name"] == "deploy"} == {
            "RUNNING"
        }
        told = printed("status", "tonight")
        assert rows(told)["deploy"][:4] == ["failed", "1", "30", "s"]
        assert rows(told)["report"][0] == "succeeded"
        assert REASON in told
        assert " running" not in told

    @pytest.mark.parametrize("away", [True, False], ids=["no v1beta1", "cut short"])
    def test_where_the_nodes_are_lost_the_store_tells(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path, away: bool
    ) -> None:
        failed_at_deploy(server, tmp_path)
        lose_nodes(server, away=away)
        told = printed("status", "tonight")
        assert rows(told)["deploy"][0] == "failed"
        assert REASON in told
        assert rows(told)["gate"][0] == "succeeded"
        assert " running" not in told

    def test_where_the_store_cant_be_read_either_that_is_said(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        failed_at_deploy(server, tmp_path)
        lose_nodes(server, away=True)
        server.runs[0]["runtime_config"]["parameters"]["store"] = "pvc://faces/store"
        told = printed("status", "tonight")
        assert rows(told)["deploy"][0] == "unknown"
        assert (
            "how deploy ended isn't told; the store can't be read from here: the claim faces isn't"
            " mounted here" in told
        )
        assert (
            "`kubectl -n kubeflow logs -l"
            f" pipeline/runid={RUN_ID},app.kubernetes.io/component=deploy -c main --tail=-1"
            " --prefix`" in told
        )
        assert "tonight failed" in told

    def test_a_step_that_was_killed(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        failed_at_deploy(server, tmp_path)
        lose_nodes(server, away=True)
        leave(tmp_path, "deploy", "running")
        told = printed("status", "tonight")
        assert rows(told)["deploy"][0] == "failed"
        assert "it began at 2026-12-01T02:40:00 UTC and was killed" in told

    def test_logs(self, server: KfpServer, printed: Callable[..., str], tmp_path: Path) -> None:
        recorded = failed_at_deploy(server, tmp_path)
        server.logs = {recorded.pod("deploy"): "rollout: waiting\n"}
        assert "rollout: waiting\n" in printed("logs", "tonight", "deploy")
        # The server finds an archived log by the nodes alone, and has none.
        server.logs, server.archived = {}, {recorded.log_key("deploy"): "rollout: waiting\n"}
        told = printed("logs", "tonight", "deploy")
        assert (
            f"deploy (from the store, since its log can't be read)\ndeploy failed: {REASON}\n"
            in told
        )
        assert f"its log is archived as {recorded.log_key('deploy')} in Argo's bucket" in told
        assert (
            "while its pods are there: `kubectl -n kubeflow logs -l"
            f" pipeline/runid={RUN_ID},app.kubernetes.io/component=deploy" in told
        )

    def test_logs_by_the_pod_that_the_step_recorded(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        recorded = failed_at_deploy(server, tmp_path)
        lose_nodes(server, away=True)
        leave(tmp_path, "deploy", "failed", REASON, environment={"pod": recorded.pod("deploy")})
        server.logs = {recorded.pod("deploy"): "rollout: waiting\n"}
        assert "rollout: waiting\n" in printed("logs", "tonight", "deploy")


class TestNoTasksAtAll:
    """The nodes were compressed from the first report on, and no manifest is given."""

    def test_the_store_tells(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        failed_at_deploy(server, tmp_path)
        lose_nodes(server, away=True)
        del server.runs[0]["run_details"]
        told = printed("status", "tonight")
        assert list(rows(told)) == [*TO_GATE, "deploy"]
        assert REASON in told
        assert printed("logs", "tonight", "deploy").startswith(
            "deploy (from the store, since its log can't be read)\ndeploy failed: "
        )

    def test_while_it_runs_too(
        self, server: KfpServer, printed: Callable[..., str], tmp_path: Path
    ) -> None:
        server.report(RUN_ID, night("resolve").step("ingest", RUNNING).manifest(compressed=True))
        server.manifests[RUN_ID]["status"]["compressedNodes"] = "broken"
        leave(tmp_path, "resolve", "succeeded")
        leave(tmp_path, "ingest", "running")
        told = printed("status", "tonight")
        assert told.startswith("tonight running\n")
        assert (rows(told)["resolve"][0], rows(told)["ingest"][0]) == ("succeeded", "running")

    def test_of_a_run_that_was_just_submitted(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        told = printed("status", "tonight")
        assert told == f"tonight pending\n{server.url}/#/runs/details/{RUN_ID}\n"
        with pytest.raises(
            EmotionError,
            match="resolve didn't begin in run tonight; expected a step that began: none yet",
        ):
            printed("logs", "tonight", "resolve")

    def test_of_an_ended_run_nothing_is_known(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        server.runs[0].update(state="FAILED")
        server.runs[0]["runtime_config"]["parameters"]["store"] = "pvc://faces/store"
        told = printed("status", "tonight")
        assert (
            "no step is told of; the store can't be read from here: the claim faces isn't mounted"
            " here" in told
        )
        assert (
            f"`kubectl -n kubeflow logs -l pipeline/runid={RUN_ID} -c main --tail=-1 --prefix`"
            in told
        )


class TestPendingPods:
    def began(self, minutes: int) -> RecordedRun:
        """The third step of a run begins so many minutes ago."""
        recorded = RecordedRun(datetime.now(timezone.utc) - timedelta(minutes=minutes + 10))
        return recorded.step("resolve")

    def test_a_pod_that_isnt_scheduled_waits_and_says_why(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        server.report(RUN_ID, self.began(0).step("ingest", PENDING).manifest())
        told = printed("status", "tonight")
        assert rows(told)["ingest"][:5] == ["waiting", "1", "to", "start", "since"]
        assert SCHEDULER.rstrip(".") in told
        assert "emotion stop" not in told

    def test_after_ten_minutes_it_says_what_ends_it(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        recorded = self.began(45).step("ingest", PENDING)
        deadline = datetime.fromisoformat(
            recorded.workflow["status"]["startedAt"].replace("Z", "+00:00")
        ) + timedelta(hours=23)
        server.report(RUN_ID, recorded.manifest())
        told = printed("status", "tonight")
        assert (
            f"The run's deadline ends it on {deadline:%Y-%m-%d at %H:%M} UTC; `emotion stop"
            " tonight` ends it now" in told
        )

    def test_a_pod_that_prepares_a_step_or_a_group(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        server.report(RUN_ID, RecordedRun().step("resolve", driver=PENDING).manifest())
        assert rows(printed("status", "tonight"))["resolve"][0] == "waiting"
        recorded = RecordedRun()
        recorded._driver(f"{NAME}(0).root(0)", "night", "system-dag-driver", PENDING)
        server.report(RUN_ID, recorded.manifest())
        assert "night-driver  waiting  1" in printed("status", "tonight")

    def test_between_two_attempts(self, server: KfpServer, printed: Callable[..., str]) -> None:
        recorded = night("resolve").step("ingest", LOST, message="Backoff for 30 seconds")
        for node in recorded.nodes.values():
            if (
                node["type"] == "Retry"
                and ".ingest" in node["name"]
                and "driver" not in node["name"]
            ):
                node["phase"] = "Running"
        server.report(RUN_ID, recorded.manifest())
        told = printed("status", "tonight")
        assert rows(told)["ingest"][0] == "waiting"
        assert "pod deleted; Backoff for 30 seconds" in told

    def test_by_the_servers_tasks_alone(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        server.report(RUN_ID, night("resolve").step("ingest", PENDING).manifest())
        lose_nodes(server, away=True)
        assert rows(printed("status", "tonight"))["ingest"][:2] == ["waiting", "to"]

    def test_logs_of_a_pod_that_hasnt_started(
        self, server: KfpServer, printed: Callable[..., str]
    ) -> None:
        recorded = night("resolve").step("ingest", PENDING)
        server.report(RUN_ID, recorded.manifest())
        with pytest.raises(
            EmotionError,
            match=(
                r"nothing that ingest printed can be read; received nothing that \S+ printed can be"
                r" read: "
            ),
        ):
            printed("logs", "tonight", "ingest")
        with pytest.raises(
            EmotionError, match="it hasn't started, Unschedulable: 0/3 nodes are available"
        ):
            printed("logs", "tonight", "ingest")


class TestAnArchivedRun:
    """Moved to the archive of runs, its workflow removed from the cluster, and its pods with it.

    What the server stored stays.
    """

    def test_status_and_logs(self, server: KfpServer, printed: Callable[..., str]) -> None:
        recorded = (
            RecordedRun(datetime(2026, 10, 1, 2, 30, tzinfo=timezone.utc))
            .step("resolve")
            .step("ingest", FAILED)
            .step("report")
        )
        server.report(RUN_ID, recorded.ended("Failed").manifest())
        server.runs[0]["storage_state"] = "ARCHIVED"
        server.archived = {recorded.log_key("ingest"): "read 40 %\n"}
        told = printed("status", "tonight")
        assert told.startswith("tonight failed (archived)\n")
        assert rows(told)["ingest"][0] == "failed"
        assert (
            printed("logs", "tonight", "ingest")
            == f"{recorded.pod('ingest')} (from Argo's archive: the run's pods are gone)\nread"
            " 40 %\n"
        )


def lose_nodes(server: KfpServer, *, away: bool) -> None:
    """No v1beta1 of the API any more, or a manifest that a column of the database cut short."""
    if not away:
        server.manifests[RUN_ID]["status"]["compressedNodes"] = server.manifests[RUN_ID]["status"][
            "compressedNodes"
        ][:-40]
        return

    def not_served(method: str, path: str) -> None:
        if "/v1beta1/" in path:
            raise Refused(404, "not found")

    server.before = not_served


@pytest.mark.parametrize(
    ("told", "evidence", "ended", "state"),
    [
        ("running", None, True, "unknown"),
        ("waiting", None, True, "unknown"),
        ("running", "succeeded", True, "succeeded"),
        ("running", "failed", True, "failed"),
        ("running", "running", True, "failed"),
        ("failed", "succeeded", True, "failed"),
        ("cached", None, True, "cached"),
        (None, "succeeded", True, "succeeded"),
        (None, "running", False, "running"),
        ("running", "failed", False, "running"),
    ],
)
def test_a_step_by_server_and_store(told: Any, evidence: Any, ended: bool, state: str) -> None:
    left = Evidence("train", "night-1", evidence, "2026-12-01T02:40:00+00:00") if evidence else None
    merged = steps.merged(
        steps.Step("train", told) if told else None, left, ended=ended, sure=bool(told)
    )
    assert merged is not None
    assert merged.state == state
    assert not (ended and merged.state in steps.GOING_ON)


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        ({"outcome": "blessed", "verdict": "blessed"}, 0),
        ({"outcome": "rejected", "verdict": "rejected"}, 0),
        (
            {
                "outcome": "rejected",
                "verdict": "blessed",
                "headline": "Not promoted: its rollout was sent back",
            },
            3,
        ),
        ({"outcome": "stopped", "headline": "Stopped before training"}, 3),
        ({}, 3),  # the store can't be read: after data that was refused no step came
    ],
)
def test_watching_ends_with_the_codes_of_a_run_on_this_machine(
    server: KfpServer, tmp_path: Path, summary: dict[str, Any], code: int
) -> None:
    server.report(RUN_ID, night("resolve", "ingest", "validate", "report").ended().manifest())
    if summary:
        summarize(tmp_path, **summary)
    assert emotion("status", "tonight", "--watch", "--host", server.url) == code


def test_watching_tells_each_change_once(
    server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), width=240)
    monkeypatch.setattr(watch, "console", console)
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0)
    reports = iter(
        [
            night().manifest(),
            night("resolve").step("ingest", PENDING).manifest(),
            night("resolve").step("ingest", RUNNING).manifest(),
            night("resolve").step("ingest", RUNNING).manifest(),
            night("resolve")
            .step("ingest", FAILED)
            .step("report")
            .ended("Failed", "child failed")
            .manifest(),
        ]
    )
    server.before = lambda method, path: (
        server.report(RUN_ID, next(reports)) if path == f"/apis/v2beta1/runs/{RUN_ID}" else None
    )
    with pytest.raises(typer.Exit) as ended:
        watch.status("tonight", watch=True, host=server.url)
    assert ended.value.exit_code == 1
    told = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[:2] for line in told[:3]] == [
        ["resolve", "succeeded"],
        ["ingest", "waiting"],
        ["ingest", "running"],
    ]
    assert told[3] == "tonight failed: child failed"


@pytest.mark.parametrize(
    ("host", "variable", "link"),
    [
        (
            "https://kubeflow.example/pipeline",
            "",
            "https://kubeflow.example/pipeline/#/runs/details/ID",
        ),
        ("http://localhost:8080", "", "http://localhost:8080/#/runs/details/ID"),
        (
            "http://localhost:8888",
            "",
            (
                "http://localhost:8080/#/runs/details/ID (after `kubectl -n kubeflow port-forward"
                " svc/ml-pipeline-ui 8080:80`)"
            ),
        ),
        (
            "http://ml-pipeline.kubeflow:8888",
            "https://ui.example/",
            "https://ui.example/#/runs/details/ID",
        ),
    ],
)
def test_the_link_of_a_run(host: str, variable: str, link: str) -> None:
    assert status.run_link(host, "ID", {status.UI_VARIABLE: variable} if variable else {}) == link
