"""The frame of a step's process: arguments, evidence, errors and exit codes.

A component's ``__main__`` declares its steps and calls `main`. Around each step's body the frame
records that it runs, turns an error into one clear line, and records what it found. The result of a
body is its findings (see `components.shared.findings`).

Exit codes: 0 done; those of `components.shared.errors`; 143 asked to stop (run it again); 1 a
defect, with its traceback.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import platform
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from components.shared import retry
from components.shared.artifacts.contract import sha256_of_file
from components.shared.errors import EmotionError, EnvironmentProblem, InputError
from components.shared.findings import Evidence
from components.shared.preset import Preset
from components.shared.serialization import from_json, plain, to_pretty_json
from components.shared.step.executor_output import ExecutorOutput
from components.shared.step.preset_argument import read_preset
from components.shared.step.run_claim import claim_run
from components.shared.store import keys
from components.shared.store.disk import close_to_others
from components.shared.store.interface import Store, open_store
from components.shared.text import shortened

TERMINATED = 143


@dataclass(frozen=True)
class Context:
    """What the frame gives a step's body.

    Attributes:
        run_id: of this run. given_preset: None for a step that was given none.
        scratch: an empty folder that is removed afterwards. executor_output: metadata for Kubeflow
            Pipelines.
    """

    run_id: str
    given_preset: Preset | None
    store: Store
    scratch: Path
    executor_output: ExecutorOutput

    @property
    def preset(self) -> Preset:
        """The run's preset. Raises InputError where none was given."""
        if self.given_preset is None:
            raise InputError(
                "the step was given no preset", expected="--preset with its JSON, @FILE or digest"
            )
        return self.given_preset


@dataclass(frozen=True)
class Step:
    """One step of a component.

    Attributes:
        summary: for ``--help``.
        add_arguments: declares what the step takes beyond the frame's own arguments.
        body: does the work; returns the step's findings, or None for a step that leaves no
            evidence.
    """

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    body: Callable[[Context, argparse.Namespace], Any]


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that no handler on the way swallows it."""


def main(component: str, steps: Mapping[str, Step], argv: Sequence[str] | None = None) -> int:
    """Run one step of a component and return the process's exit code."""
    arguments = _parser(component, steps).parse_args(argv)
    close_to_others()
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        _run(component, arguments.step, steps[arguments.step], arguments)
    # The process ends here, in words and a code.
    except (Exception, Terminated, KeyboardInterrupt) as error:  # noqa: BLE001
        return _explain(arguments.step, error)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _parser(component: str, steps: Mapping[str, Step]) -> argparse.ArgumentParser:
    about = importlib.import_module(f"components.{component}").__doc__
    parser = argparse.ArgumentParser(prog=f"python -m components.{component}", description=about)
    commands = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, step in steps.items():
        command = commands.add_parser(name, help=step.summary, description=step.summary)
        command.add_argument(
            "--run-id", default="", help="name of this run; evidence is kept under it"
        )
        command.add_argument(
            "--job-id",
            default="",
            help="id that Kubeflow Pipelines gave the job; names the run where --run-id doesn't",
        )
        command.add_argument(
            "--store", required=True, help="folder, gs://, s3:// or pvc:// URI of the store"
        )
        command.add_argument(
            "--preset",
            default="",
            help="the preset: JSON, @FILE with it, or the digest under which resolve stored it",
        )
        command.add_argument(
            "--executor-input", default="", help="set by Kubeflow Pipelines; leave it out at a desk"
        )
        step.add_arguments(command)
    return parser


def _run(component: str, name: str, step: Step, arguments: argparse.Namespace) -> None:
    if not arguments.store:
        raise InputError(
            "no store was named",
            expected=(
                "--store with a folder, gs://bucket/prefix, s3://bucket/prefix or pvc://claim/path"
            ),
        )
    store = open_store(arguments.store)
    run_id = claim_run(store, arguments.run_id, arguments.job_id)
    key = keys.evidence(run_id, name)
    evidence = Evidence(
        name,
        run_id,
        "running",
        _now(),
        environment=_environment(component),
        **_attempts_before(store, key),
    )
    store.write(key, to_pretty_json(evidence).encode())
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=f"emotion-{name}-") as scratch:
            try:
                output = ExecutorOutput(arguments.executor_input)
                preset = read_preset(arguments.preset, store) if arguments.preset else None
                findings = step.body(
                    Context(run_id, preset, store, Path(scratch), output), arguments
                )
                output.write()
            finally:
                # What is left is to remove the scratch and to record how it went; SIGTERM would cut
                # that short.
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except BaseException as error:
        failed = replace(evidence, status="failed", error=one_line(error), **_cost(began))
        try:
            store.write(key, to_pretty_json(failed).encode())
        except Exception as second:  # noqa: BLE001 - the first error is the one to tell
            print(f"could not record the failure: {one_line(second)}", file=sys.stderr)
        raise
    done = replace(
        evidence,
        status="succeeded",
        findings={} if findings is None else plain(findings),
        **_cost(began),
    )
    store.write(key, to_pretty_json(done).encode())


def _attempts_before(store: Store, key: str) -> dict[str, Any]:
    """Return what earlier attempts of this step in this run took.

    One that was killed outright couldn't tell.
    """
    content = store.read(key) or b""
    try:
        earlier = from_json(Evidence, content, "evidence")
    except EmotionError:
        return {}
    return {
        "attempts": earlier.attempts + 1,
        "earlier_seconds": round(earlier.earlier_seconds + earlier.seconds, 3),
    }


def one_line(error: BaseException) -> str:
    """Return what went wrong, in one line for people."""
    if isinstance(error, EmotionError):
        return str(error)
    if isinstance(error, Terminated):
        return "The step was asked to stop; to fix it: run it again."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return str(
            EnvironmentProblem(
                "no space left on the device",
                received=str(error.filename or ""),
                fix="free some space and run again with --resume",
            )
        )
    if isinstance(error, PermissionError):
        return str(
            EnvironmentProblem(
                f"no permission for {error.filename}",
                fix="choose another folder or change its permissions",
            )
        )
    return f"{type(error).__name__}: {shortened(error, 500)}"


def _explain(step: str, error: BaseException) -> int:
    expected = isinstance(error, (EmotionError, OSError, Terminated, KeyboardInterrupt))
    if not expected:
        traceback.print_exception(error)
    print(f"{step} failed: {one_line(error)}", file=sys.stderr, flush=True)
    if isinstance(error, EmotionError):
        return error.exit_code
    if isinstance(error, Terminated):
        return TERMINATED
    return (
        130
        if isinstance(error, KeyboardInterrupt)
        else EnvironmentProblem.exit_code
        if isinstance(error, OSError)
        else 1
    )


def terminate(signum: int, frame: object) -> NoReturn:
    """Raise Terminated: what SIGTERM does to a step, or to a tool that is like one."""
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # once is enough: a second one would cut short what the first one set going
    retry.stop_soon()
    raise Terminated


def _cost(began: float) -> dict[str, Any]:
    """Return what the step took so far."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "finished_at": _now(),
        "seconds": round(time.monotonic() - began, 3),
        "peak_memory_bytes": peak_memory_bytes(),
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in used), 3),
    }


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far, plus that of its largest child."""
    return sum(
        resource.getrusage(who).ru_maxrss * 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _environment(component: str) -> dict[str, str]:
    """Return what the step runs in.

    Python, the image's reference, SHA-256 of the lock that the environment was installed from.

    In a pod also its name, and what the table of resources promised it.
    """
    lock = Path(__file__).parents[2] / component / "requirements.lock"
    return {
        "python": platform.python_version(),
        "image": os.environ.get("EMOTION_IMAGE", ""),
        "lock": sha256_of_file(lock) if lock.is_file() else "",
        **{
            name.lower(): os.environ[f"EMOTION_{name}"]
            for name in ("POD", "RESOURCES")
            if f"EMOTION_{name}" in os.environ
        },
    }
