"""All four outcomes of the conditions, on the real pipeline through kfp.local.

One desk, night after night.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.steps import STEPS
from tests.e2e.nights import TINY, Desk

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def test_first_night_is_blessed(desk: Desk) -> None:
    summary = desk.run("night-0", TINY, desk.draw(0))
    assert summary["outcome"] == "blessed", summary
    assert [step["name"] for step in summary["steps"]] == [
        step for step in STEPS if step != "register"
    ]
    assert desk.champion() == summary["model_version"]
    assert summary["metrics"]["champion"] is None
    assert {"accuracy", "balanced_accuracy", "macro_f1", "majority_share"} <= set(
        summary["metrics"]["challenger"]
    )
    assert json.loads((desk.runs / "latest" / "summary.json").read_text()) == summary
    assert Path(summary["report"]).read_text().startswith("<!DOCTYPE html>")


def test_the_same_night_again_finds_nothing_new(desk: Desk) -> None:
    champion = desk.champion()
    summary = desk.run("night-0-again", TINY, desk.folder / "faces")
    assert summary["outcome"] == "nothing-new"
    assert desk.ran("night-0-again") == ["resolve", "report"]
    assert desk.champion() == champion


def test_a_worse_challenger_is_rejected_and_the_champion_stays(desk: Desk) -> None:
    champion = desk.champion()
    strict = replace(TINY, gate=replace(TINY.gate, min_accuracy=0.999))
    summary = desk.run("night-1", strict, desk.draw(1))
    assert summary["outcome"] == "rejected", summary
    assert desk.ran("night-1") == [step for step in STEPS if step not in ("register", "deploy")]
    assert summary["metrics"]["champion"] is not None
    assert desk.champion() == champion
    assert any("Accuracy is" in reason for reason in summary["reasons"])


def test_bad_data_stops_the_run_before_training(desk: Desk) -> None:
    champion = desk.champion()
    for image in (desk.folder / "faces" / "disgust").iterdir():
        image.unlink()
    summary = desk.run("night-2", TINY, desk.folder / "faces")
    assert summary["outcome"] == "stopped", summary
    assert desk.ran("night-2") == ["resolve", "ingest", "validate", "report"]
    assert any("disgust" in reason for reason in summary["reasons"])
    assert desk.champion() == champion
