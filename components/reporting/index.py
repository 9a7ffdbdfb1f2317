"""The index over runs: one row per run, and one page that shows the trend of every model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from components.reporting.page.charts.curves import Column, durations, trend
from components.reporting.page.environment import render_template
from components.reporting.page.filters import seconds as in_words
from components.reporting.page.filters import spaced
from components.shared.run_plan import OUTCOME_WORDS
from components.shared.text import percent

MAX_COLUMNS = 90


@dataclass(frozen=True)
class Row:
    """What the index says of one run.

    Attributes:
        accuracy: of the night's challenger. champion_accuracy: of the champion that it was compared
            with.
        champion: version of the champion once the night was over.
        seconds: that its steps took. why: the first reason, or the error.
    """

    run_id: str
    model_name: str
    preset: str
    outcome: str
    finished_at: str
    seconds: float
    why: str
    accuracy: float | None = None
    champion_accuracy: float | None = None
    champion: str | None = None


@dataclass(frozen=True)
class Index:
    """Rows by run id.

    Stands in the store as one document, so that a report adds its row by compare-and-set.
    """

    rows: dict[str, Row]

    def with_row(self, row: Row) -> Index:
        """Return the same index with this row, in the place of an earlier one of the same run."""
        return Index(self.rows | {row.run_id: row})


def row_of(summary: Mapping[str, Any]) -> Row | None:
    """Return the row of a run by its summary.json, or None where it isn't one."""
    try:
        challenger, champion = summary["metrics"]["challenger"], summary["metrics"]["champion"]
        reasons = summary.get("reasons") or []
        row = Row(
            run_id=str(summary["run_id"]),
            model_name=str(summary["model_name"]),
            preset=str(summary["preset"]),
            outcome=str(summary["outcome"]),
            finished_at=str(summary["finished_at"]),
            seconds=float(sum(step["seconds"] for step in summary["steps"] if not step["cached"])),
            why=str(
                summary.get("error")
                or (reasons[0] if reasons else summary.get("work_reason") or "")
            ),
            accuracy=float(challenger["accuracy"]) if challenger else None,
            champion_accuracy=float(champion["accuracy"]) if champion else None,
            champion=summary.get("serving_version"),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return row if row.outcome in OUTCOME_WORDS else None


@dataclass(frozen=True)
class Model:
    """One model's part of the page; rows are newest first, the trend is drawn oldest first."""

    name: str
    rows: tuple[Row, ...]
    tally: tuple[tuple[str, int], ...]
    champion: str | None
    trend: Markup | None
    durations: Markup | None


def render_index(index: Index, linked: Container[str]) -> str:
    """Return the page over all runs.

    Args:
        linked: ids of the runs whose report stands beside the page, in a folder of that name.
    """
    names = sorted({row.model_name for row in index.rows.values()})
    models = [
        _model(name, (row for row in index.rows.values() if row.model_name == name))
        for name in names
    ]
    return render_template("index.html.j2", models=models, runs=len(index.rows), linked=linked)


def _model(name: str, rows: Iterable[Row]) -> Model:
    newest_first = tuple(sorted(rows, key=lambda row: (row.finished_at, row.run_id), reverse=True))
    tally = Counter(row.outcome for row in newest_first)
    judged = [row for row in reversed(newest_first) if row.accuracy is not None][-MAX_COLUMNS:]
    drawn = len(judged) > 1
    return Model(
        name,
        newest_first,
        tuple((word, tally[word]) for word in OUTCOME_WORDS if tally[word]),
        next((row.champion for row in newest_first if row.champion), None),
        trend([_column(row) for row in judged], "Accuracy") if drawn else None,
        (
            durations([(row.seconds, f"{row.run_id}: {in_words(row.seconds)}") for row in judged])
            if drawn
            else None
        ),
    )


def _column(row: Row) -> Column:
    """Return the points of the champion's line, which shows who is champion after the night.

    The challenger, where it was promoted.
    """
    after = row.accuracy if row.outcome == "blessed" else row.champion_accuracy
    told = f"{row.run_id}: {percent(row.accuracy or 0)}, {spaced(row.outcome)}"
    if row.champion_accuracy is not None:
        told += f"; champion {percent(row.champion_accuracy)}"
    return Column(_day(row.finished_at), row.accuracy, after, row.outcome, told)


def _day(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).strftime("%-d %b")
    except ValueError:
        return ""
