"""One enabled schedule of a name, however calls cross or break off.

kfp's real client, a server with the API's rules.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from components.shared.errors import ConflictError, InputError
from pipelines import code_version
from pipelines.cluster import publish, schedules
from pipelines.cluster.client import Kubeflow
from pipelines.cluster.schedules import ScheduleSpec, check_cron, check_time_zone
from tests.pipelines.cluster.kfp_server import KfpServer, Refused, serving

ABOUT = publish.about_version("faces", "0123456789ab")
COMPILED = (Path(__file__).parents[1] / "emotion-retraining.golden.yaml").read_text()
PARAMETERS = {"preset": "{}", "source": "gs://bucket/faces", "store": "gs://bucket/store"}


class Ticking:
    """A clock that is a second later each time it is read."""

    def __init__(self) -> None:
        self._seconds = 0

    def __call__(self) -> datetime:
        self._seconds += 1
        return datetime(2026, 11, 21, tzinfo=timezone.utc) + timedelta(seconds=self._seconds)


@pytest.fixture
def server() -> Iterator[KfpServer]:
    with serving() as state:
        state.now = Ticking()
        yield state


def spec(cron: str = "0 30 2 * * *", name: str = "nightly") -> ScheduleSpec:
    return ScheduleSpec(
        name, cron, "UTC", publish.version_name(COMPILED), "emotion-run", PARAMETERS
    )


def scheduled(kubeflow: Kubeflow, wanted: ScheduleSpec) -> tuple[Any, bool]:
    pipeline, version = publish.ensure_version(kubeflow, COMPILED, ABOUT)
    experiment = publish.ensure_experiment(kubeflow, "faces")
    return schedules.schedule(kubeflow, wanted, experiment, pipeline, version)


def enabled(server: KfpServer, name: str = "nightly") -> list[str]:
    return [
        one["trigger"]["cron_schedule"]["cron"]
        for one in server.recurring
        if (one["display_name"], one["status"]) == (name, "ENABLED")
    ]


def test_what_is_created(server: KfpServer) -> None:
    made, created = scheduled(Kubeflow(server.url), spec())
    assert created
    stored = server.recurring[0]
    assert stored["recurring_run_id"] == made.recurring_run_id
    assert int(stored["max_concurrency"]) == 1
    assert stored["no_catchup"] is True
    assert stored["service_account"] == "emotion-run"
    assert stored["description"].startswith("0 30 2 * * * (UTC); spec ")
    assert stored["runtime_config"]["parameters"] == PARAMETERS
    assert (
        stored["pipeline_version_reference"]["pipeline_version_id"]
        == server.versions[0]["pipeline_version_id"]
    )


def test_the_same_schedule_again_changes_nothing(server: KfpServer) -> None:
    first, _ = scheduled(Kubeflow(server.url), spec())
    posts = [request for request in server.requests if request[0] == "POST"]
    again, created = scheduled(Kubeflow(server.url), spec())
    assert not created
    assert again.recurring_run_id == first.recurring_run_id
    assert [request for request in server.requests if request[0] == "POST"] == posts


def test_another_spec_replaces_it_and_there_is_always_one(server: KfpServer) -> None:
    kubeflow = Kubeflow(server.url)
    for hour in (1, 2, 3, 1):
        scheduled(kubeflow, spec(f"0 0 {hour} * * *"))
        assert enabled(server) == [f"0 0 {hour} * * *"]
    assert len(server.recurring) == 4
    assert min(server.enabled_counts) == 1


def test_other_names_are_left_alone(server: KfpServer) -> None:
    kubeflow = Kubeflow(server.url)
    for number in range(12):  # more than a page
        scheduled(kubeflow, spec(name=f"other-{number}"))
    scheduled(kubeflow, spec())
    assert schedules.unschedule(kubeflow, "nightly") == 1
    assert schedules.unschedule(kubeflow, "nightly") == 0
    assert all(enabled(server, f"other-{number}") for number in range(12))


def test_after_unscheduling_the_same_spec_is_enabled_again(server: KfpServer) -> None:
    kubeflow = Kubeflow(server.url)
    first, _ = scheduled(kubeflow, spec())
    schedules.unschedule(kubeflow, "nightly")
    assert enabled(server) == []
    again, created = scheduled(kubeflow, spec())
    assert not created
    assert again.recurring_run_id == first.recurring_run_id


def test_one_that_another_tool_made_is_replaced(server: KfpServer) -> None:
    kubeflow = Kubeflow(server.url)
    scheduled(kubeflow, spec())
    server.recurring[0]["description"] = None
    scheduled(kubeflow, spec())
    assert [one["status"] for one in server.recurring] == ["DISABLED", "ENABLED"]


def test_one_of_the_same_second_is_replaced_too(server: KfpServer) -> None:
    """Times are whole seconds, and ids have no order.

    A schedule of the very second may look newer than ours.
    """
    kubeflow = Kubeflow(server.url)
    scheduled(kubeflow, spec("0 0 1 * * *"))
    server.recurring[0].update(recurring_run_id="zzz", created_at="2026-11-21T03:00:00Z")
    times = iter(["2026-11-21T03:00:00Z", "2026-11-21T03:00:01Z"])
    server._time = lambda: next(times)  # type: ignore[method-assign]
    scheduled(kubeflow, spec("0 0 2 * * *"))
    assert enabled(server) == ["0 0 2 * * *"]
    assert min(server.enabled_counts) == 1


def together(server: KfpServer, wanted: list[ScheduleSpec]) -> list[Any]:
    """Every call in a thread of its own; what each returned or raised."""
    clients = [Kubeflow(server.url) for _ in wanted]
    for kubeflow in clients[:1]:
        publish.ensure_version(kubeflow, COMPILED, ABOUT)
        publish.ensure_experiment(kubeflow, "faces")
    results: list[Any] = [None] * len(wanted)

    def call(number: int) -> None:
        try:
            results[number] = scheduled(clients[number], wanted[number])
        except ConflictError as error:
            results[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("clock", ["ticking", "one second"])
def test_two_calls_at_once_leave_one_schedule(server: KfpServer, clock: str) -> None:
    """Both look before either creates."""
    if clock == "one second":
        server.now = lambda: datetime(2026, 11, 21, 3, tzinfo=timezone.utc)
    both_looked = threading.Barrier(2, timeout=20)
    arrived: list[str] = []

    def meet(method: str, path: str) -> None:
        if (method, path) == ("POST", "/apis/v2beta1/recurringruns"):
            arrived.append(path)
            if len(arrived) <= 2:
                both_looked.wait()

    server.before = meet
    results = together(server, [spec(), spec()])
    assert len(server.recurring) == 2
    assert enabled(server) == ["0 30 2 * * *"]
    assert min(server.enabled_counts) == 1
    assert len({result[0].recurring_run_id for result in results}) == 1


@pytest.mark.parametrize("seed", range(4))
def test_many_calls_for_different_schedules(server: KfpServer, seed: int) -> None:
    """Whoever comes last wins; the others hear of it; never is none enabled."""
    chance = random.Random(seed)
    server.before = lambda method, path: threading.Event().wait(chance.random() * 0.02) and None
    results = together(server, [spec(f"0 0 {chance.randrange(3)} * * *") for _ in range(5)])
    assert len(enabled(server)) == 1
    assert min(server.enabled_counts) == 1
    well = {
        result[0].trigger.cron_schedule.cron
        for result in results
        if not isinstance(result, ConflictError)
    }
    assert enabled(server)[0] in well
    server.before = lambda method, path: None
    scheduled(Kubeflow(server.url), spec("0 0 9 * * *"))
    assert enabled(server) == ["0 0 9 * * *"]


def test_a_kill_between_create_and_disable_is_repaired_by_the_next_call(server: KfpServer) -> None:
    kubeflow = Kubeflow(server.url)
    scheduled(kubeflow, spec("0 0 1 * * *"))
    killed = threading.Event()
    program = (
        "import sys; from pipelines.cluster.client import Kubeflow; from"
        " tests.pipelines.cluster.test_schedules import scheduled,"
        " spec;scheduled(Kubeflow(sys.argv[1]), spec('0 0 2 * * *'))"
    )

    def kill(method: str, path: str) -> None:
        if path.endswith(":disable"):
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            killed.set()
            raise Refused(503, "the asker is gone")

    server.before = kill
    process = subprocess.Popen(
        [sys.executable, "-c", program, server.url],
        cwd=code_version.ROOT,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(240) == -signal.SIGKILL
    assert killed.wait(10)
    assert sorted(enabled(server)) == ["0 0 1 * * *", "0 0 2 * * *"]
    server.before = lambda method, path: None
    _, created = scheduled(kubeflow, spec("0 0 2 * * *"))
    assert not created
    assert enabled(server) == ["0 0 2 * * *"]


@pytest.mark.parametrize(
    "cron", ["0 30 2 * * *", "*/5 * * * * ?", "0 0 4 1,15 jan-mar mon-fri", "0 0-30/10 2 * * 1-5"]
)
def test_schedules_that_the_scheduler_takes(cron: str) -> None:
    check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        (
            "30 2 * * *",
            (
                "has 5 fields; expected six: second minute hour .*put the seconds first: '0 30 2"
                " \\* \\* \\*'"
            ),
        ),
        (
            "0 60 2 * * *",
            "the minute of the schedule '0 60 2 \\* \\* \\*' can't be 60; expected \\*, or 0 to 59",
        ),
        ("0 0 2 0 * *", "the day of month .* can't be 0"),
        ("0 0 2 * * 7", "the day of week .* can't be 7"),
        ("0 0 5-2 * * *", "the hour .* can't be 5-2"),
        ("0 */0 2 * * *", "the minute .* can't be \\*/0"),
        ("@daily", "has 1 fields"),
    ],
)
def test_schedules_that_it_would_not_take(cron: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_cron(cron)


def test_time_zones() -> None:
    check_time_zone("UTC")
    check_time_zone("Europe/Berlin")
    for wrong in ("Berlin", "../etc/passwd", ""):
        with pytest.raises(InputError, match="there is no time zone"):
            check_time_zone(wrong)
