"""Labels by vote.

A table of how many annotators gave each answer for an image, as FER+ publishes it.

Barsoum et al. 2016, "Training deep networks for facial expression recognition with crowd-sourced
label distribution". `fer2013new.csv` tells rows by their line, which is FER2013's own (its numbered
names skip some rows, so they can't); any table with a column of names tells images by their path or
file name.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.ingestion.sources.layouts.layout import SPLIT_NAMES
from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import Taxonomy
from components.shared.preset import VotesPolicy

ANSWERS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "nf",
)
NAME_COLUMNS = ("name", "image name")
MAX_TABLE_BYTES = 200_000_000

NO_MAJORITY = "no-majority"
NO_VOTES = "no-votes"
# What an answer is called that the taxonomy leaves out.
_LEFT_OUT = {"happiness": "happy", "sadness": "sad", "anger": "angry", "nf": "not-a-face"}

Ballot = tuple[int, ...]


@dataclass(frozen=True)
class Opinion:
    """What the votes say of one image; see `Record` for the fields."""

    label: str
    left_out: bool
    distribution: tuple[float, ...] = ()


@dataclass(frozen=True)
class VoteTable:
    """A table of votes, read.

    Attributes:
        ballots: votes for each of `ANSWERS`, a line each. names: of images, to their line.
        splits: that the lines name, where the table says so; then line i is row i of FER2013's CSV.
    """

    uri: str
    digest: str
    ballots: tuple[Ballot, ...]
    names: dict[str, int]
    splits: tuple[str, ...]


class Votes:
    """A table of votes under a policy and a taxonomy.

    Raises:
        InputError: the taxonomy doesn't know one of the answers.
    """

    def __init__(self, table: VoteTable, policy: VotesPolicy, taxonomy: Taxonomy) -> None:
        self.table = table
        self.policy = policy
        self.labels = taxonomy.labels
        try:
            self._meant = tuple(taxonomy.label_of(answer) for answer in ANSWERS)
        except UnknownNameError as error:
            raise InputError(
                f"the taxonomy lacks an answer of the votes ({error})",
                fix="say what it means in `Source.classes`",
            ) from error
        self._opinions: dict[Ballot, Opinion] = {}

    def of_path(self, path: str) -> Opinion:
        """By a path inside the source, with or without some of its leading folders."""
        name = path.replace("\\", "/")
        while name not in self.table.names:
            _, slash, name = name.partition("/")
            if not slash:
                return Opinion(NO_VOTES, left_out=True)
        return self._of(self.table.ballots[self.table.names[name]])

    def of_row(self, row: int) -> Opinion:
        """By a row of FER2013's CSV, counted from 0."""
        return (
            self._of(self.table.ballots[row])
            if row < len(self.table.ballots)
            else Opinion(NO_VOTES, left_out=True)
        )

    def check_rows(self, splits: Sequence[str], name: str) -> None:
        """Refuse a CSV whose rows aren't those that the table speaks of.

        The splits of its rows differ. Raises InputError.
        """
        if not self.table.splits:
            raise InputError(
                f"{self.table.uri} tells images by name, and the rows of {name} have none",
                expected="a table of votes with the column Usage, row for row as FER2013's CSV",
            )
        for row, (ours, theirs) in enumerate(zip(splits, self.table.splits, strict=False), 1):
            if ours and ours != theirs:
                raise InputError(
                    f"the votes of {self.table.uri} aren't on the rows of {name}",
                    expected=f"row {row} in {theirs or 'no split'}, as the votes say",
                    received=f"{ours}",
                    fix="use the CSV with all its rows in their published order",
                )

    def _of(self, ballot: Ballot) -> Opinion:
        if ballot not in self._opinions:
            self._opinions[ballot] = self._counted(ballot)
        return self._opinions[ballot]

    def _counted(self, ballot: Ballot) -> Opinion:
        counting = [votes if votes >= self.policy.min_votes else 0 for votes in ballot]
        totals: Counter[str] = Counter()
        for answer, label, votes in zip(ANSWERS, self._meant, counting, strict=True):
            totals[label or _LEFT_OUT.get(answer, answer)] += votes
        (first, most), *others = totals.most_common(2)
        in_doubt = most <= self.policy.majority * totals.total() or any(
            votes == most for _, votes in others
        )
        used = sum(totals[label] for label in self.labels)
        distribution = tuple(totals[label] / used for label in self.labels) if used else ()
        if in_doubt:
            return Opinion(NO_MAJORITY, left_out=True, distribution=distribution)
        return Opinion(first, first not in self.labels, distribution)


def is_vote_table(columns: Sequence[str]) -> bool:
    """Return whether these columns are those of a table of votes."""
    return set(ANSWERS) <= set(columns)


def read_votes(content: bytes, uri: str) -> VoteTable:
    """Read a table of votes. Raises InputError: a line has no whole numbers."""
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    columns = [name.strip().lower() for name in next(rows, [])]
    places = [columns.index(answer) for answer in ANSWERS]
    named = next((columns.index(name) for name in NAME_COLUMNS if name in columns), None)
    usage = columns.index("usage") if "usage" in columns else None
    ballots: list[Ballot] = []
    names: dict[str, int] = {}
    splits: list[str] = []
    for row in rows:
        if not row:
            continue
        try:
            ballot = tuple(int(row[place]) for place in places)
            if min(ballot) < 0:
                raise ValueError("a negative number of votes")
        except (ValueError, IndexError) as error:
            raise InputError(
                f"line {rows.line_num} of the votes in {uri} can't be read ({error})",
                expected="a number of votes per answer",
            ) from error
        if named is not None and row[named].strip():
            names[row[named].strip().replace("\\", "/")] = len(ballots)
        if usage is not None:
            splits.append(SPLIT_NAMES.get(row[usage].strip().lower(), ""))
        ballots.append(ballot)
    return VoteTable(uri, hashlib.sha256(content).hexdigest(), tuple(ballots), names, tuple(splits))
