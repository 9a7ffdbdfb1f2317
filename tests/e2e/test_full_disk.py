"""A disk that fills up during a run: one clear line, and the champion untouched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.errors import EnvironmentProblem
from components.shared.step.frame import one_line
from pipelines.local import run
from tests.e2e.nights import TINY, Desk, Silent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False
        ).returncode
    ):
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def error_of(request: run.RunRequest, runs: Path) -> str:
    """What a run says that fails, in a step or in the command itself when even its log has no space."""
    try:
        return str(run.execute(request, runs, Silent())["error"])
    except OSError as error:
        return one_line(error)


def test_a_small_disk_is_refused_before_work_starts(small_disk: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(
        EnvironmentProblem, match=r"too little space for .*expected 500 MB free; received \d+ MB"
    ):
        run.preflight(desk.request("night-0", TINY, desk.draw(0, count=100)), small_disk / "runs")


def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.run("night-0", TINY, desk.draw(0, count=300))["outcome"] == "blessed"
    champion = desk.champion()
    cramped = desk.request("night-1", TINY, desk.draw(1, count=300))
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(b"0" * (free.f_bavail * free.f_frsize - 700_000))
    told = error_of(cramped, small_disk / "runs")
    assert "no space left on the device" in told
    assert "free some space and run again with --resume" in told
    assert desk.champion() == champion
    filler.unlink()
    resumed = run.execute(cramped, small_disk / "runs", Silent())
    assert resumed["outcome"] == "blessed"
