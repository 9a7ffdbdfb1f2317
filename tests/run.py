"""Run every test folder in the environment it belongs to. Standard library only.

python3 tests/run.py            the fast tier
python3 tests/run.py --slow     the slow tier
python3 tests/run.py training   one folder
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Test folder to environment. Every folder below tests/ stands here; a test asserts it.
FOLDERS = {
    "shared": "evaluation",
    "demo": "ingestion",
    "ingestion": "ingestion",
    "validation": "validation",
    "resampling": "resampling",
    "training": "training",
    "evaluation": "evaluation",
    "serving": "serving",
    "deployment": "deployment",
    "reporting": "reporting",
    "pipelines": "pipelines",
    "infra": "infra",
    "containers": "pipelines",
    "cluster": "pipelines",
    "e2e": "pipelines",
}
NO_TESTS = 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", help="test folders; all of them by default")
    parser.add_argument("--slow", action="store_true", help="the slow tier instead of the fast one")
    arguments = parser.parse_args()
    selected = arguments.folders or [
        folder for folder in FOLDERS if (ROOT / "tests" / folder).is_dir()
    ]
    unknown = [folder for folder in selected if folder not in FOLDERS]
    if unknown:
        parser.error(f"no test folder {', '.join(unknown)}; expected some of {', '.join(FOLDERS)}")
    results = {folder: _run(folder, arguments.slow) for folder in selected}
    print(
        "\n"
        + "\n".join(
            f"{folder:12} {'passed' if code in (0, NO_TESTS) else 'FAILED':8} {seconds:6.1f} s"
            for folder, (code, seconds) in results.items()
        )
    )
    failed = [folder for folder, (code, _) in results.items() if code not in (0, NO_TESTS)]
    print(f"\n{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _run(folder: str, slow: bool) -> tuple[int, float]:
    python = ROOT / ".venvs" / FOLDERS[folder] / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".venvs" / "test")}
    print(f"\n== tests/{folder} in .venvs/{FOLDERS[folder]}", flush=True)
    began = time.monotonic()
    command = [
        python,
        "-m",
        "pytest",
        f"tests/{folder}",
        "-q",
        "-m",
        "slow" if slow else "not slow and not docker and not cluster",
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment)
    return done.returncode, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
