"""A component for tests: its step does what ``--do`` says."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from components.shared.errors import InputError
from components.shared.findings import ResampleFindings
from components.shared.retry import Retry
from components.shared.step import frame, progress
from components.shared.store.interface import Store, open_store, update


def work(context: frame.Context, arguments: argparse.Namespace) -> ResampleFindings:
    progress.show(1, 2, "rows", "half")
    if arguments.do == "refuse":
        raise InputError("the toy is broken", expected="a whole one")
    if arguments.do == "break":
        raise KeyError("defect")
    if arguments.do == "fill":
        raise OSError(28, os.strerror(28), "/full/disk")
    if arguments.do == "pile":
        for number in range(3000):
            (context.scratch / str(number)).touch()
    if arguments.do == "use the store":
        use(context.store, context.scratch)
    if arguments.do in ("wait", "pile"):
        Path(arguments.output).write_text(str(os.getpid()))
        try:
            time.sleep(60)
        finally:
            time.sleep(0.2)
            Path(arguments.output).unlink()
    context.executor_output.metadata("metrics", accuracy=0.5)
    context.executor_output.confusion_matrix("matrix", ("a", "b"), ((1, 0), (2, 3)))
    return ResampleFindings("none", {"happy": 1}, {"happy": 1}, {})


def use(store: Store, scratch: Path) -> None:
    """Call everything of a store, and fail where it doesn't hold what was written."""
    for number in range(9):
        store.write(f"toy/{number}", str(number).encode())
        assert store.read(f"toy/{number}") == str(number).encode()
    store.compare_and_set("toy/pointer", None, b"1")
    update(store, "toy/pointer", lambda before: (before or b"") + b"2")
    assert store.read("toy/pointer") == b"12"
    store.delete("toy/0")
    assert store.read("toy/0") is None
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "inner").mkdir(0o700)
    for name in ("model.json", "large", "inner/weights"):
        (folder / name).write_text(name)
        (folder / name).chmod(0o600 if name != "large" else 0o664)
    store.put_tree(folder, "trees/v", "model.json", ["large"])
    assert (
        store.get_tree("trees/v", "model.json", scratch / "cache") / "inner" / "weights"
    ).read_text() == "inner/weights"
    for _ in range(3):  # of three requests in turn a test breaks one
        assert list(store.list("toy")) == [
            *(f"toy/{number}" for number in range(1, 9)),
            "toy/pointer",
        ]


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--do", default="succeed")
    parser.add_argument("--output", default="")


if __name__ == "__main__":
    deadline = os.environ.get("TOY_DEADLINE_SECONDS")
    if deadline:
        frame.open_store = partial(
            open_store, retry=Retry(float(deadline), first_wait_seconds=0.02)
        )  # type: ignore[assignment]
    sys.exit(frame.main("resampling", {"resample": frame.Step("a toy", declare, work)}))
