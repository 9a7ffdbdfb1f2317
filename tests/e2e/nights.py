"""Runs of the real pipeline on drawn faces, small enough for tests.

24x24 pixels, a few hundred rows, two epochs.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from components.shared.preset import (
    GatePolicy,
    ImageSpec,
    Preset,
    ServingPolicy,
    Stage,
    ValidationPolicy,
)
from components.shared.step.progress import Progress
from components.shared.steps import STEPS
from components.shared.store import keys
from components.shared.store.interface import open_store
from components.shared.store.registry import read_pointers
from pipelines import presets
from pipelines.code_version import ROOT
from pipelines.local import run
from pipelines.local.outcome import show_outcome

# A gate that any model passes which answers at all: what is drawn and trained here proves nothing
# of quality.
LENIENT = GatePolicy(
    min_accuracy=0.0,
    min_macro_f1=0.0,
    min_gain_over_majority=-1.0,
    margin=1.0,
    min_rows=100_000,
    max_p95_ratio=1000.0,
    first_model="promote",
)
FACES = presets.preset("synthetic-faces")
TINY: Preset = replace(
    FACES,
    name="tiny-faces",
    model_name="tiny-faces",
    data=replace(FACES.data, image=ImageSpec(24, 24, 1)),
    validation=ValidationPolicy(
        min_train_per_class=10,
        min_test_per_class=3,
        max_reject_rate=0.05,
        max_label_drift=0.2,
        max_split_skew=0.3,
        max_feature_drift=0.3,
    ),
    training=replace(FACES.training, stages=(Stage(epochs=2, learning_rate=3e-3),)),
    gate=LENIENT,
    serving=ServingPolicy(golden_images=8, check_requests=10),
)


class Silent:
    def started(self, step: str) -> None: ...
    def progressed(self, step: str, done: Progress) -> None: ...
    def finished(self, step: str, seconds: float, exit_code: int) -> None: ...


@dataclass
class Desk:
    """A place with its own store, runs and faces."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def draw(self, night: int, *, count: int = 500) -> Path:
        faces = self.folder / "faces"
        command = [
            ROOT / ".venvs" / "ingestion" / "bin" / "python",
            "-m",
            "pipelines.demo",
            "--output",
            faces,
        ]
        command += ["--night", str(night), "--count", str(count), "--size", "24"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
        return faces

    def request(
        self, run_id: str, preset: Preset, source: Path, *, force: bool = False
    ) -> run.RunRequest:
        return replace(
            run.new_request(preset, str(source), str(self.store), force=force), run_id=run_id
        )

    def run(
        self, run_id: str, preset: Preset, source: Path, *, force: bool = False
    ) -> dict[str, Any]:
        summary = run.execute(
            self.request(run_id, preset, source, force=force), self.runs, Silent()
        )
        show_outcome(Console(file=io.StringIO()), summary, self.runs / run_id)
        return summary

    def champion(self, preset: Preset = TINY) -> str | None:
        champion = read_pointers(open_store(str(self.store)), preset.model_name).champion
        return champion.version if champion else None

    def ran(self, run_id: str) -> list[str]:
        evidence = open_store(str(self.store)).list(f"{keys.run(run_id)}/evidence")
        return sorted((Path(key).stem for key in evidence), key=STEPS.index)


def emotion(desk: Desk, *arguments: str) -> str:
    """What a command prints that works on the desk's store; it has to end well."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "pipelines.cli.app", *arguments, "--store", str(desk.store)]
    done = subprocess.run(
        command, cwd=desk.folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def start_cli(desk: Desk, run_id: str, *options: str) -> subprocess.Popen[str]:
    """`emotion run --resume` of a prepared request, as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.app",
        "run",
        "--resume",
        "--run-id",
        run_id,
        "--runs",
        str(desk.runs),
        *options,
    ]
    return subprocess.Popen(
        command,
        cwd=desk.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
