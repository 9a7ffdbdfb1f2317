"""What changed from champion to challenger, per class and per slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from components.evaluation.gate.case import Answers
from components.evaluation.gate.statistics import change_interval
from components.evaluation.scoring.metrics import Flags
from components.shared.findings import Change


def class_changes(answers: Answers, names: Iterable[str]) -> tuple[Change, ...]:
    """Recall of every class that has rows."""
    members = ((name, answers.labels == index) for index, name in enumerate(names))
    return tuple(
        _change(answers, "class", name, member) for name, member in members if member.any()
    )


def slice_changes(answers: Answers) -> tuple[Change, ...]:
    """Accuracy on every slice."""
    return tuple(
        _change(answers, piece.column, piece.name, piece.member) for piece in answers.slices
    )


def flips(answers: Answers, most: int) -> tuple[list[int], list[int]]:
    """Rows that only the challenger, and only the champion, gets right.

    The surest first, at most ``most`` each, classes in turn.
    """
    if "champion" not in answers.probabilities:
        return [], []
    ours, theirs = answers.right("challenger"), answers.right("champion")
    gained = _surest(answers, "challenger", ours & ~theirs)
    lost = _surest(answers, "champion", ~ours & theirs)
    return gained[:most], lost[:most]


def _surest(answers: Answers, who: str, member: Flags) -> list[int]:
    """Rows of ``member``, round by round the one of each class that ``who`` is surest of."""
    sure = answers.probabilities[who].max(axis=1)
    of_class = [
        np.flatnonzero(member & (answers.labels == label)) for label in np.unique(answers.labels)
    ]
    return list(
        _in_turn([rows[np.argsort(-sure[rows], kind="stable")].tolist() for rows in of_class])
    )


def _in_turn(lists: list[list[int]]) -> Iterator[int]:
    for place in range(max(map(len, lists), default=0)):
        yield from (each[place] for each in lists if place < len(each))


def _change(answers: Answers, kind: str, name: str, member: Flags) -> Change:
    rows, ours = int(member.sum()), float(answers.right("challenger")[member].mean())
    if "champion" not in answers.probabilities:
        return Change(kind, name, rows, ours, None)
    pair = answers.paired("champion", member)
    theirs = float(answers.right("champion")[member].mean())
    return Change(
        kind,
        name,
        rows,
        ours,
        theirs,
        pair.difference,
        change_interval(pair.b, pair.c, pair.n),
        pair.b,
        pair.c,
    )
