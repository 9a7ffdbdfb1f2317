"""Recurring runs as the API server and the scheduled-workflow controller treat them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from components.shared.errors import InputError
from pipelines.cluster.schedules import check_cron
from tests.pipelines.cluster import kfp_server
from tests.pipelines.cluster.kfp_server import KfpServer
from tests.pipelines.kfp_backend.recurring import (
    Cron,
    Refused,
    Schedule,
    check_parameters,
    check_recurring,
    facts_of,
    fill_macros,
    resource_name,
    workflow_name,
)

UTC = ZoneInfo("UTC")
NIGHTLY = "0 30 2 * * *"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# What github.com/robfig/cron v1.2.0 answered: expression, zone, a time, and the three that come
# next.
NEXT = [
    (
        NIGHTLY,
        "Europe/Berlin",
        "2026-03-28T01:30Z",
        "2026-03-30T00:30Z 2026-03-31T00:30Z 2026-04-01T00:30Z",
    ),
    (
        NIGHTLY,
        "Europe/Berlin",
        "2026-10-24T22:00Z",
        "2026-10-25T00:30Z 2026-10-25T01:30Z 2026-10-26T01:30Z",
    ),
    (NIGHTLY, "UTC", "2026-12-01T02:30Z", "2026-12-02T02:30Z 2026-12-03T02:30Z 2026-12-04T02:30Z"),
    (
        "0 0 4 1,15 jan-mar mon-fri",
        "UTC",
        "2026-12-01T00:00Z",
        "2027-01-01T04:00Z 2027-01-04T04:00Z 2027-01-05T04:00Z",
    ),
    (
        "*/5 * * * * ?",
        "UTC",
        "2026-12-01T00:00:01Z",
        "2026-12-01T00:00:05Z 2026-12-01T00:00:10Z 2026-12-01T00:00:15Z",
    ),
    (
        "0 0-30/10 2 * * 1-5",
        "Asia/Kolkata",
        "2026-12-04T21:00Z",
        "2026-12-06T20:30Z 2026-12-06T20:40Z 2026-12-06T20:50Z",
    ),
    (
        "0 0 0 29 2 ?",
        "UTC",
        "2026-12-01T00:00Z",
        "2028-02-29T00:00Z 2032-02-29T00:00Z 2036-02-29T00:00Z",
    ),
    (
        "0 15 0 * * mon",
        "Europe/Berlin",
        "2026-03-28T12:00Z",
        "2026-03-29T22:15Z 2026-04-05T22:15Z 2026-04-12T22:15Z",
    ),
    (
        "0 45 23 * * mon",
        "Europe/Berlin",
        "2026-10-24T12:00Z",
        "2026-10-26T22:45Z 2026-11-02T22:45Z 2026-11-09T22:45Z",
    ),
    (
        "0 15 1 * * sun",
        "America/New_York",
        "2026-11-01T04:00Z",
        "2026-11-01T05:15Z 2026-11-01T06:15Z 2026-11-08T06:15Z",
    ),
]


@pytest.mark.parametrize(("expression", "zone", "after", "expected"), NEXT)
def test_times_of_a_schedule_are_those_of_the_cron_library(
    expression: str, zone: str, after: str, expected: str
) -> None:
    check_cron(expression)
    times, time = [], at(after)
    for _ in range(3):
        time = Cron.read(expression).next(time, ZoneInfo(zone)) or time
        times.append(time)
    assert times == [at(text) for text in expected.split()]


def test_a_day_that_never_comes_has_no_time() -> None:
    assert Cron.read("0 0 0 31 4 *").next(at("2026-12-01T00:00Z"), UTC) is None


@pytest.mark.parametrize(
    "expression",
    [
        "0 60 2 * * *",
        "0 30 2 * * 7",
        "0 30 2 * * * 2026",
        "TZ=UTC 0 30 2 * * *",
        "0 */0 2 * * *",
        "a b",
    ],
)
def test_the_library_and_we_refuse_the_same(expression: str) -> None:
    with pytest.raises(Refused):
        check_recurring(expression, 1)
    with pytest.raises(InputError):
        check_cron(expression)


def test_five_fields_are_taken_by_the_server_and_mean_every_hour_so_the_command_refuses_them() -> (
    None
):
    check_recurring("30 2 * * *", 1)
    assert Cron.read("30 2 * * *").next(at("2026-12-01T05:00Z"), UTC) == at("2026-12-01T05:02:30Z")
    with pytest.raises(InputError, match="has 5 fields"):
        check_cron("30 2 * * *")


@pytest.mark.parametrize("number", [0, 11])
def test_concurrency_has_bounds(number: int) -> None:
    with pytest.raises(Refused, match="at least 1 and at most 10"):
        check_recurring(NIGHTLY, number)


def schedule(**others: object) -> Schedule:
    return Schedule("nightly-faces7x2kq", NIGHTLY, {}, at("2026-12-01T12:00Z"), **others)  # type: ignore[arg-type]


def test_a_missed_night_is_left_out_and_the_newest_is_made_up_for() -> None:
    late = at("2026-12-05T09:00Z")
    one = schedule()
    assert one.fire(at("2026-12-02T02:29:59Z"), 0, UTC) is None
    assert one.fire(late, 0, UTC) == (workflow_name(one.name, 1), at("2026-12-05T02:30Z"))
    assert one.fire(late, 0, UTC) is None
    every = schedule(no_catchup=False)
    times = [every.fire(late, 0, UTC) for _ in range(5)]
    assert [fired[1].day for fired in times if fired] == [2, 3, 4, 5]


def test_a_night_waits_for_the_one_before_and_a_disabled_schedule_for_nothing() -> None:
    one = schedule()
    assert one.fire(at("2026-12-02T02:30Z"), 1, UTC) is None
    assert one.fire(at("2026-12-02T03:10Z"), 0, UTC) == (
        workflow_name(one.name, 1),
        at("2026-12-02T02:30Z"),
    )
    one.enabled = False
    assert one.fire(at("2026-12-03T03:10Z"), 0, UTC) is None


def test_a_zone_is_the_controllers() -> None:
    fired = schedule().fire(at("2026-12-02T02:00Z"), 0, ZoneInfo("Europe/Berlin"))
    assert fired is not None
    assert fired[1] == at("2026-12-02T01:30Z")


def test_names_of_schedules_and_of_their_runs() -> None:
    assert (
        resource_name("Nightly: FER 2013 (CNN), with forty characters", "abcde")
        == "nightlyfer2013cnnwithfort" + "abcde"
    )
    assert resource_name("夜", "abcde") == "job-abcde"
    assert workflow_name("nightlyabcde", 1) == "nightlyabcde-1-1164557343"


def test_a_recurring_run_has_no_display_name_and_knows_its_time() -> None:
    now = at("2026-12-02T02:30:07Z")
    facts = facts_of("uid", "nightly-1-42", now - timedelta(seconds=7), now)
    assert (facts.display_name, facts.resource_name, facts.scheduled_at) == (
        "",
        "nightly-1-42",
        "2026-12-02T02:30:00Z",
    )


def test_macros_are_filled_in_by_hand_only() -> None:
    now = datetime(2026, 12, 2, 2, 30, tzinfo=timezone.utc)
    parameters = {
        "run_id": "r-[[CurrentTime]]-[[RunUUID]]",
        "source": "[[ScheduledTime]]",
        "force": False,
    }
    assert fill_macros(parameters, "uid", now) == {
        "run_id": "r-20261202023000-uid",
        "source": "[[ScheduledTime]]",
        "force": False,
    }


DEFINITIONS = {
    "text": {"parameterType": "STRING"},
    "count": {"parameterType": "NUMBER_INTEGER", "isOptional": True},
    "sure": {"parameterType": "BOOLEAN", "defaultValue": False},
    "items": {"parameterType": "LIST", "isOptional": True},
}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {},
            "parameter text is not optional, yet has neither default value nor user provided value",
        ),
        ({"text": 1}, "text requires type string"),
        ({"text": "", "sure": "false"}, "sure requires type bool"),
        ({"text": "", "count": True}, "count requires type double or integer"),
        ({"text": "", "items": "[]"}, "items requires type list"),
        ({"text": "", "more": 1, "again": 2}, "not required by pipeline: again, more"),
    ],
)
def test_parameters_that_the_server_refuses(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_parameters(DEFINITIONS, parameters)


def test_parameters_that_the_server_takes() -> None:
    check_parameters(DEFINITIONS, {"text": "", "count": 1.5, "sure": True, "items": []})
    check_parameters(DEFINITIONS, {"text": ""})


class TestServer:
    """The local API server keeps these rules."""

    BODY = {  # noqa: RUF012
        "display_name": "Nightly Faces",
        "experiment_id": "e",
        "mode": "ENABLE",
        "max_concurrency": "1",
        "no_catchup": True,
        "pipeline_version_reference": {"pipeline_id": "p", "pipeline_version_id": "v"},
        "service_account": "emotion-run",
        "trigger": {"cron_schedule": {"cron": NIGHTLY}},
        "runtime_config": {"parameters": {"text": "[[ScheduledTime]]"}},
    }

    def server(self) -> KfpServer:
        server = KfpServer()
        server.experiments.append({"experiment_id": "e"})
        server.versions.append({"pipeline_version_id": "v", "pipeline_id": "p"})
        server.parameters["v"] = DEFINITIONS
        server.now = lambda: at("2026-12-01T12:00Z")
        return server

    def post(self, server: KfpServer, path: str, **changed: object) -> dict[str, Any]:
        body = {key: value for key, value in (self.BODY | changed).items() if value is not None}
        answer: dict[str, Any] = server.answer(
            "POST",
            f"/apis/v2beta1/{path}",
            {},
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        return answer

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"max_concurrency": "11"}, "at most 10"),
            ({"trigger": {"cron_schedule": {"cron": "0 60 2 * * *"}}}, "not a supported format"),
            ({"runtime_config": {"parameters": {}}}, "text is not optional"),
            (
                {"runtime_config": {"parameters": {"text": "", "sure": "true"}}},
                "sure requires type bool",
            ),
            ({"display_name": ""}, "name cannot be empty"),
        ],
    )
    def test_what_is_refused(self, changed: dict[str, object], message: str) -> None:
        server = self.server()
        with pytest.raises(kfp_server.Refused, match=message) as refused:
            self.post(server, "recurringruns", **changed)
        assert refused.value.status == 400
        assert server.recurring == []

    def test_a_run_takes_the_schedules_parameters_and_the_workflows_name(self) -> None:
        server = self.server()
        made = self.post(server, "recurringruns")
        assert server.fire() == []
        server.now = lambda: at("2026-12-02T02:30:04Z")
        (run,) = server.fire()
        schedule = f"nightlyfaces{made['recurring_run_id'][:5]}"
        assert run["display_name"] == workflow_name(schedule, 1)
        assert (run["scheduled_at"], run["state"], run["recurring_run_id"]) == (
            "2026-12-02T02:30:00Z",
            "PENDING",
            made["recurring_run_id"],
        )
        assert run["runtime_config"] == {"parameters": {"text": "[[ScheduledTime]]"}}
        assert self.get(server, run["run_id"]) == run
        assert server.fire() == []

    def test_the_next_waits_until_the_run_has_ended_and_a_disabled_schedule_fires_nothing(
        self,
    ) -> None:
        server = self.server()
        made = self.post(server, "recurringruns")
        server.now = lambda: at("2026-12-02T02:30:04Z")
        (first,) = server.fire()
        server.now = lambda: at("2026-12-03T02:30:04Z")
        assert server.fire() == []
        first["state"] = "FAILED"
        assert [run["scheduled_at"] for run in server.fire()] == ["2026-12-03T02:30:00Z"]
        server.runs[-1]["state"] = "SUCCEEDED"
        self.post(server, f"recurringruns/{made['recurring_run_id']}:disable")
        server.now = lambda: at("2026-12-04T02:30:04Z")
        assert server.fire() == []

    def get(self, server: KfpServer, run_id: str) -> object:
        return server.answer("GET", f"/apis/v2beta1/runs/{run_id}", {}, b"", {})
