from dataclasses import replace
from datetime import timedelta

import pytest

from components.reporting.evidence import REPORTED, read_night
from components.shared.serialization import to_pretty_json
from tests.reporting import builders


def read(night):
    return read_night(
        builders.RUN, {step: to_pretty_json(value).encode() for step, value in night.items()}
    )


def test_every_finding_comes_back_as_it_was_written():
    night = read(builders.evidence(builders.blessed()))
    assert [step.findings for step in night.steps if step.status != "skipped"] == list(
        builders.blessed().values()
    )
    assert {step.name: step.status for step in night.steps if step.status != "succeeded"} == {
        "register": "skipped"
    }
    assert not any(step.cached for step in night.steps)


def test_nothing_at_all():
    night = read_night(builders.RUN, {})
    assert {step.status for step in night.steps} == {"missing"}
    assert night.finished_at == ""


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"step": 1}', b"[" * 5000]
)
def test_torn_evidence_is_unreadable_and_no_error(content):
    night = read_night(builders.RUN, dict.fromkeys(REPORTED, content))
    assert {step.status for step in night.steps} == {"unreadable"}
    assert all(step.error for step in night.steps)


def test_findings_of_another_version_are_unreadable():
    night = builders.evidence(builders.blessed())
    night["train"] = replace(night["train"], findings={"epochs": 3})
    step = read(night).step("train")
    assert step.status == "unreadable"
    assert "unknown field of the findings of train 'epochs'" in step.error
    assert step.seconds == builders.SECONDS["train"]


def resumed(first, again, resolve_again=True):
    """The evidence after a second attempt, an hour later, that did ``again`` anew."""
    later = builders.evidence(
        {**({"resolve": builders.resolve()} if resolve_again else {}), **again},
        began=builders.BEGAN + timedelta(hours=1),
    )
    return read(first | later)


def test_what_succeeded_before_this_attempt_is_cached():
    first = builders.broken(builders.evidence(builders.blessed()), "train", "running")
    rest = {
        step: value
        for step, value in builders.blessed().items()
        if step in ("train", "evaluate", "check-serving", "gate", "deploy")
    }
    night = resumed(first, rest)
    assert [step.name for step in night.steps if step.cached] == ["ingest", "validate", "resample"]
    assert {step.name for step in night.steps if step.status != "succeeded"} == {"register"}


@pytest.mark.parametrize("status", ["running", "failed"])
def test_an_earlier_attempts_failure_is_not_this_ones(status):
    first = builders.broken(builders.evidence(builders.blessed()), "train", status, "out of memory")
    night = resumed(first, {})
    assert night.step("train").status == "missing"


def test_what_lies_behind_tonights_break_is_not_taken_for_its_result():
    first = builders.evidence(builders.judged("rejected"))
    second = builders.evidence(
        {"resolve": builders.resolve(), "ingest": builders.ingest()},
        began=builders.BEGAN + timedelta(hours=1),
    )
    night = read(first | builders.broken(second, "ingest", "failed", "no images"))
    assert {step.status for step in night.steps[2:]} == {"missing"}
    assert night.gate is None


def test_steps_that_the_outcome_leaves_out_are_skipped():
    night = read(
        builders.evidence(builders.stopped())
        | {"gate": builders.evidence(builders.judged("rejected"))["gate"]}
    )
    assert [step.status for step in night.steps[3:]] == ["skipped"] * 7
    assert night.gate is None
