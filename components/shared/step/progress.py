"""Progress lines.

One grammar, read by people in a cluster's log and by the progress bar of `emotion run`.

progress 3/12 epochs · val_accuracy 0.612, 4.1 s
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"^progress (\d+)/(\d+) ([\w-]+)(?: · (.*))?$")


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` ``unit`` (a plural noun), and a free note."""

    done: int
    total: int
    unit: str
    note: str = ""


def show(done: int, total: int, unit: str, note: str = "") -> None:
    """Print one progress line to standard output, flushed."""
    print(f"progress {done}/{total} {unit}" + (f" · {note}" if note else ""), flush=True)


def parse(line: str) -> Progress | None:
    """Return the progress that a line of output tells, or None when it tells none."""
    match = _LINE.match(line.strip())
    if match is None:
        return None
    return Progress(int(match[1]), int(match[2]), match[3], match[4] or "")
