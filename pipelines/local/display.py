"""What a person sees while a run works.

On a terminal a live list of steps, elsewhere plain lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from components.shared.step import progress
from components.shared.step.progress import Progress as Told

_LINES_EVERY = 0.2
_SECONDS_EVERY = 60.0


class Display(Protocol):
    """Shows a run while it works."""

    def started(self, step: str) -> None:
        """Show that a step began."""

    def progressed(self, step: str, done: Told) -> None:
        """Show how far a step is."""

    def finished(self, step: str, seconds: float, exit_code: int) -> None:
        """Show how a step ended."""


def tell(display: Display, log: IO[str], step: str, line: str) -> None:
    """Keep a line that a step printed in the run's log, and show it where it tells progress."""
    log.write(f"{step}: {line}")
    log.flush()
    told = progress.parse(line)
    if told is not None:
        display.progressed(step, told)


class LiveDisplay:
    """A spinner, a bar and the elapsed time per step. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description:<14}"),
            TimeElapsedColumn(),
            BarColumn(bar_width=24),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def started(self, step: str) -> None:
        """See `Display.started`."""
        self._tasks[step] = self._progress.add_task(step, total=None, note="")

    def progressed(self, step: str, done: Told) -> None:
        """See `Display.progressed`."""
        note = f"{done.done:,}/{done.total:,} {done.unit}" + (
            f" · {done.note}" if done.note else ""
        )
        self._progress.update(self._tasks[step], completed=done.done, total=done.total, note=note)

    def finished(self, step: str, seconds: float, exit_code: int) -> None:
        """See `Display.finished`."""
        mark = (
            {}
            if exit_code == 0
            else {"description": f"[red]✗ {step}[/]", "note": f"[red]exit code {exit_code}[/]"}
        )
        self._progress.update(self._tasks[step], completed=1, total=1, **mark)


class PlainDisplay:
    """One line when a step starts and ends, and one per fifth of its way, or a minute later than the last.

    Args:
        now: a clock's seconds.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._told: dict[tuple[str, str], float] = {}
        self._last = now()

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    def started(self, step: str) -> None:
        """See `Display.started`."""
        self._say(f"{step} …")

    def progressed(self, step: str, done: Told) -> None:
        """See `Display.progressed`."""
        share = done.done / max(done.total, 1)
        last = self._told.get((step, done.unit), 0.0)
        if (
            share - last >= _LINES_EVERY
            or share >= 1 > last
            or self._now() - self._last >= _SECONDS_EVERY
        ):
            self._told[step, done.unit] = share
            self._say(f"  {step} {done.done:,}/{done.total:,} {done.unit} {done.note}".rstrip())

    def finished(self, step: str, seconds: float, exit_code: int) -> None:
        """See `Display.finished`."""
        self._say(
            f"{step} {'done' if exit_code == 0 else f'FAILED with exit code {exit_code}'} in"
            f" {seconds:.1f} s"
        )

    def _say(self, line: str) -> None:
        self._last = self._now()
        self._console.print(line, highlight=False)


def display_for(console: Console) -> LiveDisplay | PlainDisplay:
    """Return the display that fits where the output goes."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
