"""Bad input ends in one clear line and a non-zero code, before anything is touched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from components.shared.errors import EnvironmentProblem, InputError
from components.shared.serialization import to_json
from components.shared.steps import STEPS
from pipelines import presets
from pipelines.cli.app import app
from pipelines.code_version import ROOT
from pipelines.demo import draw
from pipelines.local import run
from pipelines.local.outcome import exit_code
from tests.pipelines.cli import command_line


def emotion(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli.app", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_missing_path(tmp_path: Path) -> None:
    done = emotion("run", "--data", "nowhere.zip", cwd=tmp_path)
    assert done.returncode == 2
    told = (
        f"error: there is nothing at {tmp_path}/nowhere.zip; expected a folder, an archive or a"
        " table of images"
    )
    assert error_of(done).startswith(told)
    assert not list(tmp_path.iterdir())


def test_an_unknown_preset_suggests_the_nearest(tmp_path: Path) -> None:
    done = emotion("run", "--preset", "fer2013-cn", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'fer2013-cnn'?" in error_of(done)


def test_a_preset_without_its_data(tmp_path: Path) -> None:
    done = emotion("run", "--preset", "fer2013-cnn", cwd=tmp_path)
    assert done.returncode == 2
    assert "the preset fer2013-cnn needs images; expected --data (DATA=)" in error_of(done)


@pytest.mark.parametrize("option", ["--runs", "--store"])
def test_an_unwritable_folder(tmp_path: Path, option: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("in the way")
    done = emotion("run", "--data", "data", option, "file/below", cwd=tmp_path)
    assert done.returncode == 5
    assert "can't write to" in error_of(done)
    assert "--runs or --store" in error_of(done)


def test_a_full_disk_is_refused_before_work_starts(tmp_path: Path) -> None:
    request = run.new_request(
        presets.preset("synthetic-faces"), str(tmp_path), str(tmp_path / "store")
    )
    with pytest.raises(
        EnvironmentProblem,
        match=(
            "too little space for .*expected 500 MB free; received 3 MB; to fix it: free some space"
        ),
    ):
        run.preflight(request, tmp_path / "runs", free_bytes=lambda _: 3_000_000)
    run.preflight(request, tmp_path / "runs", free_bytes=lambda _: 3_000_000_000)


def test_resuming_needs_a_run(tmp_path: Path) -> None:
    done = emotion("run", "--resume", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no run yet in runs; to fix it: start one with `emotion run`" in error_of(done)


@pytest.mark.parametrize("command", [("run", "--resume"), ("report",)])
def test_a_run_of_another_version_of_the_program(tmp_path: Path, command: tuple[str, ...]) -> None:
    request = run.new_request(presets.preset("synthetic-faces"), "", str(tmp_path / "store"))
    earlier = request.preset_json.replace(
        '"min_accuracy"', '"max_accuracy_drop":0.04,"min_accuracy"'
    )
    folder = tmp_path / "runs" / "latest"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(to_json(replace(request, preset_json=earlier)))
    done = emotion(*command, cwd=tmp_path)
    assert done.returncode == 3
    assert (
        "was started by another version of this program; received unknown field of preset.gate"
        " 'max_accuracy_drop'" in error_of(done)
    )
    assert "to fix it: start a new run" in error_of(done)


def test_a_request_is_what_a_resume_reads(tmp_path: Path) -> None:
    request = run.new_request(presets.preset("fer2013-cnn"), "gs://bucket/fer2013.zip", "store")
    assert request.source == "gs://bucket/fer2013.zip"
    assert request.store == str(Path("store").absolute())
    assert request.preset == presets.preset("fer2013-cnn")


def test_help_teaches(tmp_path: Path) -> None:
    text = emotion("--help", cwd=tmp_path).stdout
    for word in ("run", "compile", "report", "presets", "models", "doctor", "Exit codes"):
        assert word in text
    assert "--resume" in emotion("run", "--help", cwd=tmp_path).stdout


def test_models_of_an_empty_store(tmp_path: Path) -> None:
    done = emotion("models", cwd=tmp_path)
    assert done.returncode == 0
    assert "no models in" in done.stdout
    assert not list(tmp_path.iterdir())


def test_presets_are_listed_and_shown(tmp_path: Path) -> None:
    assert "fer2013-cnn" in emotion("presets", cwd=tmp_path).stdout
    shown = emotion("presets", "fer2013-cnn", cwd=tmp_path).stdout
    assert "make run PRESET=fer2013-cnn" in shown
    assert '"learning_rate": 0.001' in shown


def test_doctor_finds_the_environments(tmp_path: Path) -> None:
    done = emotion("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "environment training" in done.stdout
    assert "tensorflow 2.21.0" in done.stdout
    assert "missing" not in done.stdout


@pytest.mark.parametrize(
    ("drawn", "night", "number"),
    [
        (None, "next", 0),
        (3, "next", 4),
        (3, "same", 3),
        (-1, "same", 0),
        (-1, "next", 0),
        (None, "12", 12),
    ],
)
def test_which_night_is_drawn(tmp_path: Path, drawn: int | None, night: str, number: int) -> None:
    if drawn is not None:
        (tmp_path / draw.MANIFEST).write_text(f'{{"night": {drawn}}}')
    assert draw.number_of(tmp_path, night) == number


@pytest.mark.parametrize(
    ("night", "message"),
    [("same", "no night yet to repeat"), ("tonight", "'tonight' is no night; expected next, same")],
)
def test_a_night_that_is_none(tmp_path: Path, night: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw.number_of(tmp_path, night)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("blessed", 0),
        ("rejected", 0),
        ("needs-approval", 0),
        ("nothing-new", 0),
        ("stopped", 3),
        ("failed", 2),
    ],
)
def test_exit_codes(outcome: str, code: int) -> None:
    assert (
        exit_code({"outcome": outcome, "exit_codes": {"resolve": 0, "ingest": 2, "report": 0}})
        == code
    )


def test_a_rollout_that_went_back_ends_as_the_rollout_command_does() -> None:
    assert exit_code({"outcome": "rejected", "verdict": "rejected"}) == 0
    assert exit_code({"outcome": "rejected", "verdict": "blessed"}) == 3


def test_no_command_takes_an_option_twice() -> None:
    def commands(command: Any, path: str = "emotion") -> Iterator[tuple[str, Any]]:
        yield path, command
        for name, inner in getattr(command, "commands", {}).items():
            yield from commands(inner, f"{path} {name}")

    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 30
    for path, command in found.items():
        names = [
            name
            for parameter in command.params
            for name in (*parameter.opts, *parameter.secondary_opts)
        ]
        assert sorted(names) == sorted(set(names)), path


def test_compile_tells_what_a_run_weighs(tmp_path: Path) -> None:
    done = emotion("compile", "-o", "pipeline.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pipeline.yaml").is_file()
    for step in (each for each in STEPS if each != "register"):
        assert re.search(rf"^ *{step} +[\d,]+ +[\d,]+ +[\d,]+ *$", done.stdout, re.MULTILINE), step
    assert re.search(r"^ *register +[\d,]+ +[\d,]+ +in its place *$", done.stdout, re.MULTILINE), (
        "no run has it beside deploy"
    )
    assert re.search(
        r"a run weighs about \d{3},\d{3} bytes of at most 900,000, \d\d% of it pod spec patches",
        done.stdout,
    )


def test_compile_refuses_what_is_too_heavy_and_writes_nothing(tmp_path: Path) -> None:
    claims = [word for number in range(30) for word in ("--claim", f"one-of-many-claims-{number}")]
    with pytest.raises(
        InputError,
        match="grows too heavy for one Kubernetes object; expected at most 900,000 bytes",
    ):
        command_line.emotion("compile", "-o", str(tmp_path / "heavy.yaml"), *claims)
    assert not (tmp_path / "heavy.yaml").exists()
