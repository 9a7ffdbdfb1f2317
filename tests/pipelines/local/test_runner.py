"""The seam to kfp.local: what our handler relies on, and what it promises."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import kfp
import pytest
from kfp import compiler
from kfp.local import subprocess_task_handler, task_dispatcher

from components.shared.errors import EnvironmentProblem
from components.shared.step.progress import Progress
from pipelines.code_version import ROOT
from pipelines.local.environments import environment_python
from pipelines.local.runner import run_pipeline
from tests.pipelines.local.toy import toy


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def started(self, step: str) -> None:
        self.events.append(("started", step))

    def progressed(self, step: str, done: Progress) -> None:
        self.events.append(("progressed", step, done.done, done.total))

    def finished(self, step: str, seconds: float, exit_code: int) -> None:
        self.events.append(("finished", step, exit_code))


def compiled() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "toy.yaml")
        compiler.Compiler().compile(toy, path)
        return Path(path).read_text()


def run(
    tmp_path: Path, say: str = "go", tag: str = "toy"
) -> tuple[Recorder, dict[str, int], list[str]]:
    recorder = Recorder()
    codes = run_pipeline(
        compiled().replace("emotion-reporting:toy", f"emotion-reporting:{tag}"),
        {"say": say, "folder": str(tmp_path)},
        tmp_path,
        recorder,
    )
    ran = (tmp_path / "ran").read_text().split()
    (tmp_path / "ran").unlink()
    return recorder, codes, ran


def test_kfp_is_the_version_that_the_seam_was_written_for() -> None:
    assert kfp.__version__ == "2.17.0"
    source = inspect.getsource(task_dispatcher.run_single_task_implementation)
    assert "subprocess_task_handler.SubprocessTaskHandler" in source
    assert list(
        inspect.signature(subprocess_task_handler.SubprocessTaskHandler.__init__).parameters
    ) == [
        "self",
        "image",
        "full_command",
        "pipeline_root",
        "runner",
        "env_vars",
    ]


def test_the_original_handler_stands_again_after_a_run(tmp_path: Path) -> None:
    original = subprocess_task_handler.SubprocessTaskHandler
    run(tmp_path)
    assert subprocess_task_handler.SubprocessTaskHandler is original


def test_a_branch_is_taken_on_its_word_and_the_exit_task_always_runs(tmp_path: Path) -> None:
    recorder, codes, ran = run(tmp_path)
    assert ran == ["first", "second", "last"]
    assert codes == {"first": 0, "second": 0, "last": 0}
    assert recorder.events[:3] == [
        ("started", "first"),
        ("progressed", "first", 1, 2),
        ("finished", "first", 0),
    ]
    assert run(tmp_path, say="stop")[2] == ["first", "last"]


def test_finished_tasks_are_skipped_and_a_broken_one_runs_again(tmp_path: Path) -> None:
    (tmp_path / "break-second").touch()
    _, codes, ran = run(tmp_path)
    assert (ran, codes["second"]) == (["first", "second", "last"], 1)
    assert "the toy broke" in (tmp_path / "log.txt").read_text()
    (tmp_path / "break-second").unlink()
    assert run(tmp_path)[2] == ["second", "last"]
    assert run(tmp_path)[2] == ["last"]
    assert run(tmp_path, say="stop")[2] == ["first", "last"]


def test_other_code_is_never_served_from_the_cache(tmp_path: Path) -> None:
    """An image is named by its content, so a change of code is a change of its tag."""
    assert run(tmp_path)[2] == ["first", "second", "last"]
    assert run(tmp_path, tag="changed")[2] == ["first", "second", "last"]
    assert run(tmp_path)[2] == ["last"]


def test_interrupting_leaves_no_process_and_no_workspace_behind(tmp_path: Path) -> None:
    (tmp_path / "wait-second").touch()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    program = textwrap.dedent(f"""
        from pathlib import Path
        from tests.pipelines.local.test_runner import Recorder, compiled
        from pipelines.local.runner import run_pipeline
        run_pipeline(compiled(), {{"say": "go", "folder": {str(tmp_path)!r}}}, Path({str(tmp_path)!r}), Recorder())
    """)
    for wish in (signal.SIGINT, signal.SIGKILL):
        (tmp_path / "pids").unlink(missing_ok=True)
        environment = {**os.environ, "TMPDIR": str(temporary)}
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        pids = _pids(tmp_path)
        process.send_signal(wish)
        assert process.wait(40) != 0
        _gone(pids if wish == signal.SIGINT else pids[:1])
        for pid in pids[1:]:
            if wish == signal.SIGKILL:
                os.kill(
                    pid, signal.SIGKILL
                )  # the toy doesn't clean up its own child when its parent vanishes
    assert list(temporary.glob("kfp-*")) == [], (
        "even a killed run keeps kfp's workspace in its own folder"
    )


def _pids(folder: Path) -> list[int]:
    for _ in range(1200):
        if (folder / "pids").exists() and (folder / "pids").read_text().count(" "):
            return [int(pid) for pid in (folder / "pids").read_text().split()]
        time.sleep(0.05)
    raise AssertionError("the step never started")


def _gone(pids: list[int]) -> None:
    for _ in range(1200):
        if not any(_runs(pid) for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError(f"still running: {[pid for pid in pids if _runs(pid)]}")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_an_image_without_an_environment_is_told() -> None:
    with pytest.raises(
        EnvironmentProblem, match="the environment of nothing is missing.*make install"
    ):
        environment_python("localhost/emotion-nothing:1")
    with pytest.raises(
        EnvironmentProblem, match="no local environment stands for the image busybox"
    ):
        environment_python("busybox")
