"""Figures and reasons in words, where several components write the same sentence."""

from __future__ import annotations

import math

MOST_DIGITS = 6
ELLIPSIS = "…"


def percent(value: float, bound: float | None = None, digits: int = 1) -> str:
    """Write a share as a percentage.

    Args:
        bound: that the sentence compares with. The percentage has the digits that the bound needs
            to be written exactly, and as many more as tell the two apart.
        digits: after the point, at least.

    >>> percent(0.054), percent(0.054, bound=0.0001), percent(0.0001, bound=0.0001), percent(0.000104, bound=0.0001)
    ('5.4%', '5.40%', '0.01%', '0.0104%')
    """
    if bound is not None:
        exact = (
            count
            for count in range(MOST_DIGITS)
            if math.isclose(round(100 * bound, count), 100 * bound, rel_tol=1e-9)
        )
        digits = max(digits, next(exact, MOST_DIGITS))
        while (
            value != bound
            and digits < MOST_DIGITS
            and f"{value:.{digits}%}" == f"{bound:.{digits}%}"
        ):
            digits += 1
    return f"{value:.{digits}%}"


def shortened(text: object, limit: int) -> str:
    r"""Write a text in one line of at most ``limit`` characters, cut after a whole word.

    >>> shortened("the  image\ncan't be pulled", 15), shortened("short enough", 15)
    ('the image…', 'short enough')
    """
    line = " ".join(str(text).split())
    if len(line) <= limit:
        return line
    words = line[:limit].rpartition(" ")[0] if " " in line[:limit] else line[: limit - 1]
    return words.rstrip(" ,;:.(") + ELLIPSIS
