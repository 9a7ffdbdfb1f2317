"""Judge rows and labels in a process of its own, so that heavy libraries load side by side.

The imports of Great Expectations and its rules cost about 5 s, those of TensorFlow Data Validation
about 9 s.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.shared.findings import LabelNoise, Rule
from components.shared.preset import Preset
from components.shared.serialization import from_json, to_json

TIMEOUT_SECONDS = 1800
DATA_DOCS = "data_docs/index.html"
DOUBTFUL_LABELS = "doubtful_labels.csv"


@dataclass(frozen=True)
class Judged:
    """What the process found. ``label_noise`` is None where there were too few rows."""

    rules: tuple[Rule, ...]
    label_noise: LabelNoise | None = None


# (examples artifact, preset, folder of the champion's artifact, folder for `DATA_DOCS` and
# `DOUBTFUL_LABELS`, scratch folder) to a context whose value waits for what was found.
Judge = Callable[
    [Path, Preset, Path | None, Path, Path], AbstractContextManager[Callable[[], Judged]]
]


@contextmanager
def judge_in_process(
    examples: Path, preset: Preset, champion: Path | None, output: Path, scratch: Path
) -> Iterator[Callable[[], Judged]]:
    """Start judging; the process never outlives the context.

    The value raises RuntimeError when the process fails: what it printed stands in the step's own
    output.
    """
    preset_file, found_file = scratch / "preset.json", scratch / "judged.json"
    preset_file.write_text(to_json(preset))
    command = [
        sys.executable,
        "-m",
        "components.validation.judge",
        "--examples",
        str(examples),
        "--preset",
        str(preset_file),
    ]
    command += [
        "--output",
        str(output),
        "--found",
        str(found_file),
        *(["--champion", str(champion)] if champion else []),
    ]
    process = subprocess.Popen(command)

    def wait() -> Judged:
        code = process.wait(timeout=TIMEOUT_SECONDS)
        if code != 0:
            raise RuntimeError(f"judging rows ended with code {code}; what it printed stands above")
        return from_json(Judged, found_file.read_bytes(), "what was judged")

    try:
        yield wait
    finally:
        process.kill()
        process.wait()
