"""Progress while other threads or processes work.

A thread that looks every second at what is done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from components.shared.step import progress

INTERVAL_SECONDS = 1.0


@contextmanager
def watching(
    done: Callable[[], int], total: int, unit: str, *, interval_seconds: float = INTERVAL_SECONDS
) -> Iterator[None]:
    """Show how much is ``done`` of ``total``, at the start, every interval, and at the end unless it failed."""
    began = time.monotonic()
    stopped = threading.Event()

    def show() -> None:
        count, seconds = done(), time.monotonic() - began
        progress.show(
            count,
            total,
            unit,
            f"{count / seconds:,.0f} per second" if count and seconds > 0 else "",
        )

    def watch() -> None:
        while not stopped.wait(interval_seconds):
            show()

    show()
    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    show()
