"""The command on a night's evidence, as the exit handler runs it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.reporting.__main__ import STEPS
from components.shared.step.frame import main
from components.shared.store.disk import DiskStore
from tests.reporting import builders


@dataclass
class Reported:
    """What the command left."""

    code: int
    page: str
    summary: dict[str, Any]
    store: DiskStore

    def text(self, name: str) -> str | None:
        content = self.store.read(f"runs/{builders.RUN}/{name}")
        return content.decode() if content is not None else None


@pytest.fixture
def run(tmp_path):
    def report(night=None, status="", run_id=builders.RUN, folder="store") -> Reported:
        store = DiskStore(tmp_path / folder)
        if night is not None:
            builders.write(store, night, run_id)
        page: Path = tmp_path / "artifacts" / "page"
        code = main("reporting", STEPS, builders.arguments(store.root, page, run_id, status))
        summary = json.loads(store.read(f"runs/{run_id}/summary.json"))
        assert page.read_bytes() == store.read(f"runs/{run_id}/report.html")
        return Reported(code, page.read_text(), summary, store)

    return report
