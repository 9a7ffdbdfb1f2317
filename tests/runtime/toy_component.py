"""A component for tests: its step does what ``--do`` says."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from components.contracts.errors import InputError
from components.contracts.findings import ResampleFindings
from components.runtime import progress, step


def work(context: step.Context, arguments: argparse.Namespace) -> ResampleFindings:
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


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--do", default="succeed")
    parser.add_argument("--output", default="")


if __name__ == "__main__":
    sys.exit(step.main("resampling", {"resample": step.Step("a toy", declare, work)}))
