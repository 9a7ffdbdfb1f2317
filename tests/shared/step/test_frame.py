from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.shared.findings import Evidence
from components.shared.serialization import from_json
from components.shared.step import frame
from components.shared.step.executor_output import ExecutorOutput
from components.shared.store import keys
from components.shared.store.disk import DiskStore
from tests.kfp_output import executor_input, metadata

PRESET = Path(__file__).resolve().parent / "preset.json"


def command(store: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tests.shared.step.toy_component",
        "resample",
        "--run-id",
        "run-1",
        "--store",
        str(store),
        "--preset",
        f"@{PRESET}",
        *options,
    ]


def run(store: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(store, *options), capture_output=True, text=True, timeout=60)


def evidence(store: Path) -> Evidence:
    return from_json(Evidence, DiskStore(store).read(keys.evidence("run-1", "resample")) or b"")


def _wait_for(ready: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(400):
        if ready.exists():
            return
        assert process.poll() is None, "the step ended before it was ready"
        time.sleep(0.05)
    raise AssertionError("the step never became ready")


def test_a_step_leaves_its_findings(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    found = evidence(tmp_path)
    assert (found.status, found.findings["before"], found.error) == ("succeeded", {"happy": 1}, "")
    assert found.finished_at >= found.started_at
    assert "progress 1/2 rows · half" in done.stdout
    lock = Path(frame.__file__).parents[2] / "resampling" / "requirements.lock"
    assert found.environment["lock"] == hashlib.sha256(lock.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("do", "code", "line"),
    [
        ("refuse", 2, "resample failed: the toy is broken; expected a whole one."),
        (
            "fill",
            5,
            (
                "resample failed: no space left on the device; received /full/disk; to fix it: free"
                " some space and run again with --resume."
            ),
        ),
        ("break", 1, "resample failed: KeyError: 'defect'"),
    ],
)
def test_an_error_is_one_line_a_code_and_evidence(
    tmp_path: Path, do: str, code: int, line: str
) -> None:
    done = run(tmp_path, "--do", do)
    assert done.returncode == code
    assert done.stderr.strip().splitlines()[-1] == line
    assert ("Traceback" in done.stderr) == (do == "break")
    found = evidence(tmp_path)
    assert found.status == "failed"
    assert line.endswith(found.error)


def test_a_step_tells_what_all_of_its_attempts_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_POD", "emotion-1")
    monkeypatch.setenv("EMOTION_RESOURCES", '{"cpu": 1}')
    run(tmp_path, "--do", "refuse")
    first = evidence(tmp_path)
    assert (first.attempts, first.earlier_seconds) == (1, 0.0)
    assert first.cpu_seconds > 0
    run(tmp_path)
    second = evidence(tmp_path)
    assert (second.status, second.attempts, second.earlier_seconds) == (
        "succeeded",
        2,
        first.seconds,
    )
    assert (second.environment["pod"], second.environment["resources"]) == (
        "emotion-1",
        '{"cpu": 1}',
    )


def test_a_step_that_is_asked_to_stop_says_so(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        command(tmp_path, "--do", "wait", "--output", str(ready)), stderr=subprocess.PIPE, text=True
    )
    _wait_for(ready, process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "asked to stop; to fix it: run it again" in stderr
    assert evidence(tmp_path).status == "failed"


def test_a_step_that_is_asked_to_stop_again_and_again_cleans_up_all_the_same(
    tmp_path: Path,
) -> None:
    ready, scratch = tmp_path / "ready", tmp_path / "scratch"
    scratch.mkdir()
    asked = command(tmp_path, "--do", "pile", "--output", str(ready))
    with subprocess.Popen(
        asked, env={**os.environ, "TMPDIR": str(scratch)}, stderr=subprocess.DEVNULL
    ) as process:
        _wait_for(ready, process)
        assert len(list(scratch.glob("emotion-resample-*/*"))) == 3000
        for _ in range(2000):
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
    assert list(scratch.iterdir()) == []
    assert not ready.exists(), "the step's own cleaning up"
    assert evidence(tmp_path).status == "failed"


def test_a_killed_step_is_still_seen_as_running(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(command(tmp_path, "--do", "wait", "--output", str(ready)))
    _wait_for(ready, process)
    process.kill()
    process.wait(20)
    assert evidence(tmp_path).status == "running"


def test_metadata_is_merged_into_the_executor_output(tmp_path: Path) -> None:
    artifact = {"name": "metrics", "uri": str(tmp_path / "metrics"), "metadata": {}}
    matrix = {"name": "matrix", "uri": str(tmp_path / "matrix"), "metadata": {}}
    outputs = {
        "outputFile": str(tmp_path / "out" / "executor_output.json"),
        "artifacts": {"metrics": {"artifacts": [artifact]}, "matrix": {"artifacts": [matrix]}},
    }
    assert run(tmp_path, "--executor-input", json.dumps({"outputs": outputs})).returncode == 0
    written = json.loads((tmp_path / "out" / "executor_output.json").read_text())["artifacts"]
    assert written["metrics"]["artifacts"] == [{**artifact, "metadata": {"accuracy": 0.5}}]
    confusion = written["matrix"]["artifacts"][0]["metadata"]["confusionMatrix"]
    assert confusion == {
        "annotationSpecs": [{"displayName": "a"}, {"displayName": "b"}],
        "rows": [{"row": [1, 0]}, {"row": [2, 3]}],
    }


def test_metadata_holds_nothing_that_fails_the_launcher(tmp_path: Path) -> None:
    """Kubeflow Pipelines 2.17 fails a step over a null (backend/src/v2/metadata/converter.go), and JSON has no word for nan."""
    output = ExecutorOutput(executor_input(tmp_path, "metrics"))
    output.metadata(
        "metrics",
        champion=None,
        loss=float("nan"),
        latency=float("inf"),
        accuracy=2 / 3,
        rows=1234567,
        word="go",
    )
    output.write()
    told = {"loss": "nan", "latency": "inf", "accuracy": 0.666667, "rows": 1234567, "word": "go"}
    assert metadata(tmp_path) == {"metrics": told}


def test_a_run_needs_a_name(tmp_path: Path) -> None:
    without = [part for part in command(tmp_path) if part not in ("--run-id", "run-1")]
    done = subprocess.run(without, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "the run has no name" in done.stderr
    named = subprocess.run(
        [*without, "--job-id", "job-7"], capture_output=True, text=True, timeout=60
    )
    assert named.returncode == 0
    assert DiskStore(tmp_path).read(keys.evidence("job-7", "resample"))
