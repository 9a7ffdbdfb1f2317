"""Figures in words, the same in every sentence of the gate."""

from __future__ import annotations


def points(value: float) -> str:
    """Return a difference of shares, as percentage points.

    Two digits where the margin needs them.
    """
    return f"{100 * value:.2f}".rstrip("0").rstrip(".") + " points"


def higher_or_lower(difference: float) -> str:
    """Of accuracies and the like: "0.25 points lower"."""
    return (
        "the same"
        if difference == 0
        else f"{points(abs(difference))} {'higher' if difference > 0 else 'lower'}"
    )


def images(rows: int, what: str = "test") -> str:
    """Return a count of images in words."""
    return f"{rows:,} {what} image{'' if rows == 1 else 's'}"


def p_value(value: float) -> str:
    """Return a p-value as people write it."""
    return f"p = {value:.2g}" if value >= 0.0001 else "p < 0.0001"
