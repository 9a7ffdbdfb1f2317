"""Judge rows in a process of its own, so that two heavy libraries load at the same time and the step takes as long as one.

Its imports and the rules cost about 5 s, those of TensorFlow Data Validation about 9 s.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from components.contracts.codec import from_json, to_json
from components.contracts.findings import Rule
from components.contracts.preset import Preset

TIMEOUT_SECONDS = 1800

# (examples artifact, preset, folder for data docs, scratch folder) to a context whose value waits for the judged rules.
JudgeRows = Callable[[Path, Preset, Path, Path], AbstractContextManager[Callable[[], tuple[Rule, ...]]]]


@contextmanager
def judge_in_process(examples: Path, preset: Preset, data_docs: Path, scratch: Path) -> Iterator[Callable[[], tuple[Rule, ...]]]:
    """Start judging; the process never outlives the context.

    The value raises RuntimeError when the process fails: what it printed stands in the step's own output.
    """
    preset_file, rules_file = scratch / "preset.json", scratch / "rules.json"
    preset_file.write_text(to_json(preset))
    command = [sys.executable, "-m", "components.validation.row_rules", "--examples", str(examples), "--preset", str(preset_file)]
    process = subprocess.Popen([*command, "--rules", str(rules_file), "--data-docs", str(data_docs)])

    def wait() -> tuple[Rule, ...]:
        code = process.wait(timeout=TIMEOUT_SECONDS)
        if code != 0:
            raise RuntimeError(f"judging rows ended with code {code}; what it printed stands above")
        return from_json(tuple[Rule, ...], rules_file.read_bytes(), "judged rules")

    try:
        yield wait
    finally:
        process.kill()
        process.wait()
