"""A server with one run, for the tests of `emotion status`, `logs` and `stop`.

Other modules make a server of their own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.cli.kubeflow import watch
from pipelines.cluster import client
from tests.pipelines.cli.command_line import emotion
from tests.pipelines.cluster.kfp_server import KfpServer, serving
from tests.pipelines.cluster.one_run import RUN_ID


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KfpServer]:
    """With one run, called tonight, whose store is a folder."""
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    with serving() as state:
        state.runs.append(
            {
                "run_id": RUN_ID,
                "display_name": "tonight",
                "state": "PENDING",
                "storage_state": "AVAILABLE",
                "experiment_id": "e",
                "created_at": "2026-12-01T02:30:00Z",
                "finished_at": "1970-01-01T00:00:00Z",
                "runtime_config": {
                    "parameters": {
                        "store": str(tmp_path / "store"),
                        "run_id": "night-1",
                        "preset": "{}",
                    }
                },
            }
        )
        yield state


@pytest.fixture
def printed(server: KfpServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command prints."""

    def run(*arguments: str) -> str:
        console = Console(file=io.StringIO(), width=240)
        monkeypatch.setattr(watch, "console", console)
        assert not emotion(*arguments, "--host", server.url)
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    return run
