"""Where the time went: one bar per step on a common axis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from components.reporting.evidence import Night, Observed


@dataclass(frozen=True)
class Bar:
    """One step's bar; offset and width in percent of the axis."""

    step: Observed
    offset: float
    width: float


def timeline(night: Night) -> tuple[Bar, ...]:
    """Return a bar for every step that began.

    A cached one took its time in an earlier attempt and has no width.
    """
    began = [step for step in night.steps if _time(step.started_at) is not None]
    spans = [(_start(step), _start(step) + step.seconds) for step in began if not step.cached]
    first = min((start for start, _ in spans), default=0.0)
    length = max((end for _, end in spans), default=0.0) - first or 1.0
    return tuple(
        Bar(step, 0.0, 0.0)
        if step.cached
        else Bar(step, 100 * (_start(step) - first) / length, 100 * step.seconds / length)
        for step in began
    )


def _start(step: Observed) -> float:
    return _time(step.started_at) or 0.0


def _time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
