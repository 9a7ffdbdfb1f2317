import json
from datetime import timedelta

import pytest

from components.reporting import __main__ as reporting
from components.shared.step.frame import main
from components.shared.store.disk import DiskStore
from tests.reporting import builders

FIELDS = {
    "run_id",
    "preset",
    "snapshot_id",
    "code_version",
    "outcome",
    "verdict",
    "reasons",
    "metrics",
    "steps",
    "model_version",
    "champion_version",
    "report",
    "work",
    "work_reason",
    "error",
    "counts",
}


@pytest.mark.parametrize("name", list(builders.every_night()))
def test_fields_are_there_whatever_happened(run, name):
    summary = run(builders.every_night()[name]).summary
    assert summary.keys() >= FIELDS
    assert set(summary["metrics"]) == {"challenger", "champion"}
    assert all({"name", "seconds", "cached", "status"} <= step.keys() for step in summary["steps"])
    assert summary["steps"][-1]["name"] == "report"


def test_blessed(run):
    found = builders.evaluate()
    reported = run(builders.every_night()["blessed"])
    summary = reported.summary
    assert (summary["outcome"], summary["verdict"], summary["error"]) == (
        "blessed",
        "blessed",
        None,
    )
    assert summary["metrics"]["challenger"]["macro_f1"] == found.challenger.macro_f1
    assert summary["metrics"]["champion"]["accuracy"] == found.champion.accuracy
    assert summary["model_version"] == summary["serving_version"] == builders.CHALLENGER
    assert summary["champion_version"] == builders.CHAMPION.version
    assert (
        summary["counts"]["read"] == summary["counts"]["accepted"] + summary["counts"]["rejected"]
    )
    assert {step["name"]: step["seconds"] for step in summary["steps"][:-1]} == {
        step: builders.SECONDS[step] for step in builders.blessed()
    }
    assert summary["report"] == reported.store.location(f"runs/{builders.RUN}/report.html")


def test_failed(run):
    summary = run(builders.every_night()["failed"]).summary
    assert (summary["outcome"], summary["verdict"], summary["failed_step"]) == (
        "failed",
        None,
        "ingest",
    )
    assert summary["error"].startswith("Ingest failed: the source has no images")
    assert summary["metrics"] == {"challenger": None, "champion": None}
    assert summary["serving_version"] == builders.CHAMPION.version


def test_what_the_command_line_added_survives_a_second_rendering(run):
    reported = run(builders.every_night()["blessed"])
    key = f"runs/{builders.RUN}/summary.json"
    reported.store.write(key, json.dumps(reported.summary | {"wall_seconds": 81.5}).encode())
    again = run()
    assert again.page == reported.page
    assert again.summary.pop("wall_seconds") == 81.5
    for summary in (again.summary, reported.summary):
        summary["steps"].pop()  # how long the report itself took
    assert again.summary == reported.summary


def test_a_failure_that_only_the_pipeline_saw_survives_a_second_rendering(run):
    night = builders.every_night()["rejected"]
    assert (
        run(night, status='{"state": "FAILED", "error": {"message": "upload failed"}}').summary[
            "outcome"
        ]
        == "failed"
    )
    assert "upload failed" in run().summary["error"]
    assert run(status='{"state": "SUCCEEDED"}').summary["outcome"] == "rejected"


def test_notification(run):
    text = json.loads(run(builders.every_night()["rejected"]).text("notification.json"))["text"]
    assert text.startswith(
        "rejected: Not promoted: the champion stays (synthetic-faces, run 2026-11-21-night-3)"
    )
    assert "• Recall of fear is 13.0 points below" in text
    assert "report.html" in text


def test_notification_escapes_markup_of_slack(run):
    night = builders.every_night()["blessed"]
    text = json.loads(
        run(builders.broken(night, "ingest", "failed", "<!channel> & co")).text("notification.json")
    )["text"]
    assert "&lt;!channel&gt; &amp; co" in text


def last_night(reported):
    content = reported.store.read("models/faces/last-night")
    return json.loads(content) if content else None


@pytest.mark.parametrize("name", ["blessed", "first", "rejected", "needs-approval", "stopped"])
def test_a_judged_night_is_remembered(run, name):
    night = builders.every_night()[name]
    remembered = last_night(run(night))
    plan = builders.resolve().plan
    assert remembered.pop("at") > builders.BEGAN.isoformat()
    assert remembered == {
        "fingerprint": plan.fingerprint,
        "run_id": builders.RUN,
        "outcome": "blessed" if name == "first" else name,
        "listing_digest": plan.listing.digest,
        "preset_digest": plan.preset_digest,
        "code_version": plan.code_version,
        "objects": 5410,
        "layout_version": 1,
    }


@pytest.mark.parametrize("name", ["nothing-new", "failed", "killed"])
def test_a_night_that_judged_nothing_leaves_the_older_one_standing(run, name):
    assert last_night(run(builders.every_night()[name])) is None


def test_an_old_run_rendered_again_is_not_taken_for_the_last_night(run):
    run(builders.every_night()["blessed"])
    later = builders.evidence(
        builders.judged("rejected"), run_id="next", began=builders.BEGAN + timedelta(days=1)
    )
    assert last_night(run(later, run_id="next"))["run_id"] == "next"
    assert last_night(run())["run_id"] == "next"


def test_an_older_run_whose_report_ends_last_is_not_taken_for_the_last_night(
    run, tmp_path, monkeypatch
):
    later = builders.evidence(
        builders.judged("rejected"), run_id="next", began=builders.BEGAN + timedelta(days=1)
    )
    look = reporting._is_later

    def look_and_be_overtaken(*arguments):
        found = look(*arguments)
        monkeypatch.setattr(reporting, "_is_later", look)
        store = DiskStore(tmp_path / "store")
        builders.write(store, later, "next")
        assert (
            main(
                "reporting",
                reporting.STEPS,
                builders.arguments(store.root, tmp_path / "page", "next", ""),
            )
            == 0
        )
        return found

    monkeypatch.setattr(reporting, "_is_later", look_and_be_overtaken)
    assert last_night(run(builders.every_night()["blessed"]))["run_id"] == "next"
