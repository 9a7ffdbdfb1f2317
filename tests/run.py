"""Run every test folder in the environment it belongs to, side by side. Standard library only.

python3 tests/run.py            the fast tier
python3 tests/run.py --slow     the slow tier, one folder after the other
python3 tests/run.py training   one folder
python3 tests/run.py gate       the modules called test_gate.py, wherever they are
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
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
# Folders that take longest, in whose parts the cores can share; they begin first.
LONG = ("pipelines", "e2e", "training")
SPLIT = ("pipelines",)
FAST = "not slow and not docker and not cluster"
NO_TESTS = 5


@dataclass(frozen=True)
class Unit:
    """Tests that one process runs.

    Attributes:
        paths: relative to the repository's root; folders without those in `ignored`.
    """

    name: str
    environment: str
    paths: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def main() -> int:
    """Run the tests that the command line names; 1 where some failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="test folders or modules; all of them by default")
    parser.add_argument("--slow", action="store_true", help="the slow tier instead of the fast one")
    arguments = parser.parse_args()
    names = arguments.names or sorted(FOLDERS, key=lambda folder: folder not in LONG)
    units = [unit for name in names for unit in units_of(name)]
    if not units:
        parser.error(f"no tests called {', '.join(names)}; expected some of {', '.join(FOLDERS)}")
    marks = "slow" if arguments.slow else FAST
    workers = 1 if arguments.slow else len(os.sched_getaffinity(0))
    printing = threading.Lock()
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda unit: run(unit, marks, printing, workers == 1), units))
    print(
        "\n" + "\n".join(f"{name:24} {word:8} {seconds:6.1f} s" for name, word, seconds in results)
    )
    failed = sum(word == "FAILED" for _, word, _ in results)
    print(f"\n{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def units_of(name: str) -> list[Unit]:
    """Return the units that a folder, a folder's part or a module's name means; none if unknown."""
    folder = TESTS / name
    if folder.is_dir() and folder != TESTS:
        environment = FOLDERS[Path(name).parts[0]]
        parts = (
            sorted(path.parent for path in folder.glob("*/__init__.py")) if name in SPLIT else []
        )
        paths = [f"tests/{part.relative_to(TESTS)}" for part in parts]
        units = [Unit(path.removeprefix("tests/"), environment, (path,)) for path in paths]
        return [*units, Unit(name, environment, (f"tests/{name}",), tuple(paths))]
    modules: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob(f"test_{name}.py")):
        relative = path.relative_to(ROOT)
        modules.setdefault(relative.parts[1], []).append(str(relative))
    return [Unit(name, FOLDERS[part], tuple(paths)) for part, paths in modules.items()]


def run(unit: Unit, marks: str, printing: threading.Lock, live: bool) -> tuple[str, str, float]:
    """Run a unit; its name, the word for its end, and its seconds.

    Args:
        live: print as it goes; otherwise all at once when it ends.
    """
    python = ROOT / ".venvs" / unit.environment / "bin" / "python"
    ignored = [f"--ignore={path}" for path in unit.ignored]
    command = [python, "-m", "pytest", *unit.paths, *ignored, "-q", "-m", marks]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".venvs" / "test")}
    began = time.monotonic()
    if live:
        print(f"\n== {unit.name} in .venvs/{unit.environment}", flush=True)
    stream = None if live else subprocess.PIPE
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=stream, stderr=stream and subprocess.STDOUT
    )
    seconds = time.monotonic() - began
    if not live:
        with printing:
            print(f"\n== {unit.name} in .venvs/{unit.environment}, {seconds:.1f} s")
            print(done.stdout.decode(errors="replace"), flush=True)
    return unit.name, "passed" if done.returncode in (0, NO_TESTS) else "FAILED", seconds


if __name__ == "__main__":
    sys.exit(main())
