"""Slices: named subsets of rows, by what the examples say of them.

Bins of brightness, contrast and size are fixed by definition and not by quantiles of the data: so a
slice means the same images tonight and in a year, and its figures can be followed. A bin that holds
few rows is then reported as insufficient evidence, not widened. Other numeric columns have no
natural edges; they are cut at the quartiles of the scored rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from components.shared.errors import InputError, UnknownNameError

Column = npt.NDArray[np.generic]

# Levels 0 to 255: brightness is their mean, contrast their standard deviation, at most 127.5. Size
# is the shorter side.
EDGES: dict[str, tuple[tuple[float, ...], tuple[str, ...]]] = {
    "brightness": ((85, 170), ("dark (below 85)", "medium (85 to 170)", "bright (170 and above)")),
    "contrast": ((32, 64), ("low (below 32)", "medium (32 to 64)", "high (64 and above)")),
    "size": (
        (32, 64, 128, 256),
        (
            "below 32 pixels",
            "32 to 63 pixels",
            "64 to 127 pixels",
            "128 to 255 pixels",
            "256 pixels and above",
        ),
    ),
}
MOST_VALUES = 50


@dataclass(frozen=True)
class Slice:
    """Rows with one value, or in one bin, of a column. member: bool ``[n]``."""

    column: str
    name: str
    member: npt.NDArray[np.bool_]


def slices(table: Mapping[str, Column], wanted: Sequence[str]) -> tuple[Slice, ...]:
    """Return the slices of the wanted columns that hold some rows, but not all.

    A slice of all rows says nothing new.

    Args:
        table: columns of the rows, ``[n]`` each. wanted: names of columns, or size.

    Raises:
        UnknownNameError: there is no such column. InputError: a column of text has too many values
            to be slices.
    """
    found = [piece for name in wanted for piece in _of_column(name, _column(name, table))]
    return tuple(piece for piece in found if piece.member.any() and not piece.member.all())


def _column(name: str, table: Mapping[str, Column]) -> Column:
    if name == "size":
        return np.minimum(table["width"], table["height"])
    if name not in table:
        raise UnknownNameError("slice column", name, [*table, "size"])
    return table[name]


def _of_column(name: str, values: Column) -> list[Slice]:
    if name in EDGES:
        edges, names = EDGES[name]
    elif np.issubdtype(values.dtype, np.number):
        cuts = np.unique(np.quantile(values.astype(np.float64), (0.25, 0.5, 0.75)))
        edges, names = tuple(cuts.tolist()), tuple(_between(cuts.tolist()))
    else:
        return _of_text(name, values)
    place = np.digitize(values.astype(np.float64), edges)
    return [Slice(name, words, place == index) for index, words in enumerate(names)]


def _between(cuts: Sequence[float]) -> list[str]:
    inner = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(cuts)]
    return [f"below {cuts[0]:.4g}", *inner, f"{cuts[-1]:.4g} and above"]


def _of_text(name: str, values: Column) -> list[Slice]:
    distinct = sorted({str(value) for value in values})
    if len(distinct) > MOST_VALUES:
        raise InputError(
            f"the column {name} can't be cut into slices",
            expected=f"at most {MOST_VALUES} different values",
            received=f"{len(distinct):,}",
            fix="name another column in gate.slices",
        )
    texts = values.astype(str)
    return [Slice(name, value or "none", texts == value) for value in distinct]
