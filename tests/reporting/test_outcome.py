import json
from dataclasses import asdict, replace

import pytest

from components.reporting.evidence import read_night
from components.reporting.outcome import judge, pipeline_error
from components.shared.findings import RolloutFindings
from components.shared.run_plan import OUTCOME_WORDS
from components.shared.serialization import to_pretty_json
from tests.reporting import builders


def outcome(night, error=""):
    contents = {
        step: value if isinstance(value, bytes) else to_pretty_json(value).encode()
        for step, value in night.items()
    }
    return judge(read_night(builders.RUN, contents), error)


@pytest.mark.parametrize(
    ("name", "word", "reason"),
    [
        ("blessed", "blessed", "Not inferior to the champion"),
        ("first", "blessed", "all floors are cleared"),
        ("rejected", "rejected", "Recall of fear is 13.0 points below"),
        ("needs-approval", "needs-approval", "asks a person"),
        ("stopped", "stopped", "Happy, the largest class, has 61.2 %"),
        ("nothing-new", "nothing-new", "are those of run night-2"),
        ("failed", "failed", "Ingest failed: the source has no images"),
        (
            "killed",
            "failed",
            "Train was killed: it began on 21 November 2026, 02:00 UTC and never ended",
        ),
    ],
)
def test_word_and_reason(name, word, reason):
    found = outcome(builders.every_night()[name])
    assert found.word == word
    assert found.word in OUTCOME_WORDS
    assert reason in found.reasons[0]


def test_a_blessing_counts_only_once_deployed():
    night = builders.every_night()["blessed"]
    broken = outcome(
        builders.broken(
            night, "deploy", "failed", "models/faces/champion was changed by someone else"
        )
    )
    assert (broken.word, broken.failed_step) == ("failed", "deploy")
    assert broken.error == "Deploy failed: models/faces/champion was changed by someone else"
    missing = outcome({step: value for step, value in night.items() if step != "deploy"})
    assert (missing.word, missing.error) == ("failed", "Deploy never began")


@pytest.mark.parametrize(
    ("ended", "serving", "word", "headline", "says"),
    [
        ("serving", "new", "blessed", "Promoted: the new champion", "It replaces"),
        (
            "rolled-back",
            "old",
            "rejected",
            "Not promoted: its rollout was sent back",
            "Version old keeps serving.",
        ),
        (
            "rolled-back",
            None,
            "rejected",
            "Not promoted: its rollout was sent back",
            "Nothing serves yet.",
        ),
        (
            "rolled-back",
            "new",
            "rejected",
            "Its new predictor was sent back",
            "Version new keeps serving, with the image r/serving:1.",
        ),
        (
            "paused",
            "old",
            "needs-approval",
            "Its rollout was paused by a person",
            "paused its rollout at 10 %",
        ),
    ],
)
def test_the_cluster_has_the_last_word(ended, serving, word, headline, says):
    night = builders.every_night()["blessed"]
    rollout = RolloutFindings(
        ended,
        "new",
        serving,
        10,
        "5 of 400 requests failed at 10 %",
        (),
        60.0,
        "r/serving:2",
        "r/serving:1",
    )
    deploy = night["deploy"]
    found = outcome(
        night | {"deploy": replace(deploy, findings=deploy.findings | {"rollout": asdict(rollout)})}
    )
    assert (found.word, found.headline) == (word, headline)
    assert says in found.sentence
    assert ended == "serving" or found.reasons == ("5 of 400 requests failed at 10 %",)


def test_the_first_failure_is_named():
    night = builders.every_night()["blessed"]
    found = outcome(
        builders.broken(night, "evaluate", "failed", "first")
        | {
            "check-serving": builders.broken(night, "check-serving", "failed", "second")[
                "check-serving"
            ]
        }
    )
    assert found.failed_step == "evaluate"


def test_unreadable_evidence_matters_only_where_the_outcome_hangs_on_it():
    night = builders.every_night()["blessed"]
    assert outcome(night | {"ingest": b"{"}).word == "blessed"
    assert outcome(night | {"resolve": b"{"}).word == "blessed"
    found = outcome(night | {"gate": b"{"})
    assert found.word == "failed"
    assert found.error.startswith("The evidence of gate can't be read: ")


def test_nothing_at_all():
    found = outcome({})
    assert (found.word, found.error) == ("failed", "Resolve never began")


def test_what_only_the_pipeline_knows():
    resolved = {"resolve": builders.every_night()["blessed"]["resolve"]}
    assert (
        outcome(resolved, "pipeline failed, no such image").error
        == "Ingest never began; pipeline failed, no such image"
    )
    assert outcome(builders.every_night()["rejected"], "pipeline failed").word == "failed"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("", ""),
        ("{{$.inputs}}", ""),
        ("[]", ""),
        ('{"state": "SUCCEEDED", "error": {}}', ""),
        ('{"state": "FAILED"}', "pipeline failed"),
        (
            json.dumps({"state": "FAILED", "error": {"code": 9, "message": "image\nnot found"}}),
            "pipeline failed, image not found",
        ),
        ('{"state": "CANCELLED", "error": "x"}', "pipeline cancelled"),
    ],
)
def test_final_status(status, expected):
    assert pipeline_error(status) == expected


def test_the_sentence_compares_with_the_champion():
    found = builders.evaluate()
    sentence = outcome(builders.every_night()["blessed"]).sentence
    assert f"{found.challenger.accuracy:.1%} of 1,022 test images correctly" in sentence
    assert f"the champion ({found.champion.accuracy:.1%})" in sentence
    stopped = {
        "evaluate": replace(builders.evaluate(), scored_on="validation"),
        "gate": builders.gate("rejected"),
    }
    assert (
        "of 1,022 held-out validation images"
        in outcome(builders.evidence(builders.blessed() | stopped)).sentence
    )
    assert "champion (" not in outcome(builders.every_night()["first"]).sentence
