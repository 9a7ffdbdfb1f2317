"""CPUs that this process may use, from files such as Linux writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.inference.cpus import cpu_limit


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 2),
        ({"": "max 100000"}, 2),
        ({"": "100000 100000"}, 1),
        ({"pod": "150000 100000"}, 2),
        ({"pod": "50000 100000"}, 1),
        ({"": "max 100000", "pod/box": "100000 100000"}, 1),
        ({"pod": "what"}, 2),
    ],
)
def test_the_tightest_limit_above_the_process_counts(
    limits: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    for folder, limit in limits.items():
        (tmp_path / "cgroup" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / folder / "cpu.max").write_text(limit + "\n")
    (tmp_path / "own").write_text("1:cpu:/old\n0::/pod/box\n")
    assert cpu_limit(tmp_path / "cgroup", tmp_path / "own") == expected


def test_without_any_such_file_the_affinity_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 5})
    assert cpu_limit(tmp_path / "none", tmp_path / "none") == 3
