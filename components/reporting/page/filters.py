"""Figures and times as people read them: the filters of the page's templates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from components.shared.text import percent

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def points(value: float) -> str:
    """Return a difference of shares in percentage points, signed."""
    rounded = round(100 * value, 1)
    return "±0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "−")


def count(value: float) -> str:
    """Return a count with commas between thousands."""
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    """Return a duration in the unit that fits it."""
    if value >= 5400:
        return f"{value / 3600:.1f} h"
    if value >= 100:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{value:.1f} s"


def file_size(value: float) -> str:
    """Bytes in the largest unit that leaves a number of at least one."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"


def number(value: float) -> str:
    """Any number, short: of a check whose unit only its sentence knows."""
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    elif abs(value) < 5e-5:
        digits, _, power = f"{value:.1e}".partition("e")
        text = f"{digits}·10{str(int(power)).translate(_RAISED)}"
    else:
        text = f"{value:.4f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def four_digits(value: float) -> str:
    """Return a number in a column of its like: four digits after the point."""
    return f"{value:.4f}".replace("-", "−")


def moment(value: str) -> str:
    """Return an ISO 8601 time for people; as it stands when it isn't one."""
    try:
        return datetime.fromisoformat(value).strftime("%-d %B %Y, %H:%M UTC")
    except ValueError:
        return value


def short(value: str | None, length: int = 12) -> str:
    """Return the start of a long digest."""
    return (value or "")[:length]


def spaced(value: str) -> str:
    """Return a name of the code as words."""
    return (
        value.replace("_", " ")
        .replace("-", " ")
        .replace("non inferiority", "non-inferiority")
        .replace("pre screen", "pre-screen")
    )


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "points": points,
    "count": count,
    "seconds": seconds,
    "file_size": file_size,
    "number": number,
    "four_digits": four_digits,
    "moment": moment,
    "short": short,
    "spaced": spaced,
}
