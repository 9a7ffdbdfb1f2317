"""`emotion sweep` on a snapshot that a run accepted.

Trials, results, and a diff that brings the best into the preset.
"""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest

from components.shared.preset import Preset
from components.shared.serialization import from_json
from pipelines import preset_source, presets
from tests.e2e.nights import TINY, Desk, emotion

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_best_of_a_sweep_is_a_diff_of_the_preset(tmp_path: Path) -> None:
    desk, folder = Desk(tmp_path), tmp_path / "sweep"
    assert desk.run("night-0", TINY, desk.draw(0))["outcome"] == "blessed"
    asked = [
        "--preset",
        presets.DEFAULT,
        "--set",
        "epochs=1,2",
        "--set",
        "augmentation.zoom=0.01..0.2",
        "--output",
        str(folder),
    ]
    for trials in (1, 2):
        told = emotion(desk, "sweep", *asked, "--trials", str(trials))
        assert f"trial {trials} of {trials}" in told
        assert told.count("\ntrial ") == 1, "an earlier trial counts and isn't run again"
    with open(folder / "trials.csv", newline="") as stream:
        assert [row["epochs"] in ("1", "2") for row in csv.DictReader(stream)] == [True, True]
    assert (folder / "sweep.png").stat().st_size > 10_000

    best = from_json(Preset, (folder / "best.json").read_bytes(), "best.json")
    path, source = preset_source.of(presets.DEFAULT)
    copy = tmp_path / "checkout" / path
    copy.parent.mkdir(parents=True)
    copy.write_text(source)
    applied = subprocess.run(
        ["git", "apply", folder / "best.diff"],
        cwd=tmp_path / "checkout",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert applied.returncode == 0, applied.stderr
    values: dict[str, Preset] = {}
    exec(compile(copy.read_text(), "preset", "exec"), values)
    assert values["SYNTHETIC_FACES"] == best
    assert best.training.augmentation.zoom > 0
