"""Worker processes that never outlive or stall the step.

A signal ends them, and one that dies ends the run.

Left alone, Beam waits for its workers after a signal, and for ever for the answer of one that was
killed, say for want of memory, and for the end of one that comes when all is over.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    BeamFnControlServicer,
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)

from components.shared.errors import EnvironmentProblem

WORKER_MODULE = "components.ingestion.decode.beam_worker"
_BEAM_THREAD = "run_worker"  # it waits for one worker and raises when the worker failed


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class DismissedWorkerHandler(SubprocessSdkWorkerHandler):
    """Beam's own, which tells only those workers to end that are there when the run ends.

    One that comes later must know, too.
    """

    def stop_worker(self) -> None:
        """See `SubprocessSdkWorkerHandler.stop_worker`."""
        self.control_conn.push(BeamFnControlServicer._DONE_MARKER)
        super().stop_worker()


@contextmanager
def attended() -> Iterator[None]:
    """Attend the worker processes that are started meanwhile. For the main thread.

    Raises:
        EnvironmentProblem: a worker died.
    """
    stopping, died, finished = threading.Event(), threading.Event(), threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hook, main = threading.excepthook, threading.get_ident()

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            threading.Thread(
                target=_end_workers, args=(finished,), name="end-workers", daemon=True
            ).start()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def on_failure(failure: threading.ExceptHookArgs) -> None:
        if failure.thread is None or failure.thread.name != _BEAM_THREAD:
            hook(failure)
        elif not stopping.is_set():
            died.set()
            stop()
            signal.pthread_kill(
                main, signal.SIGINT
            )  # the main thread may be waiting for that worker's answer

    threading.excepthook = on_failure
    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, on_signal)
    try:
        yield
    except BaseException as error:
        stop()
        if died.is_set():
            raise EnvironmentProblem(
                "a reading process ended before its work was done",
                fix="give the step more memory and run again",
            ) from error
        raise
    finally:
        finished.set()
        threading.excepthook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def workers() -> list[int]:
    """Process ids of the workers that this process started and that still run (Linux)."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue  # that thread has just ended
        found.extend(int(child) for child in children if _is_worker(child))
    return found


def _is_worker(process: str) -> bool:
    try:
        return WORKER_MODULE.encode() in Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return False


def _end_workers(finished: threading.Event) -> None:
    """Again and again, since Beam may be about to start one more."""
    while True:
        for process in workers():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if finished.is_set() and not workers():
            return
        time.sleep(0.05)
