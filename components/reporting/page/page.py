"""The page of a night: one HTML file that loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from markupsafe import Markup

from components.reporting.evidence import Night
from components.reporting.model_card import RESPONSIBLE_USE
from components.reporting.outcome import Outcome
from components.reporting.page.charts.bars import in_words, tone
from components.reporting.page.environment import render_template
from components.reporting.page.figures import drawings
from components.reporting.page.filters import spaced
from components.reporting.page.images import pictures
from components.reporting.page.timeline import timeline
from components.shared.artifacts.contract import SPLITS
from components.shared.findings import IngestFindings, SamplePrediction
from components.shared.preset import DataPolicy, Preset
from components.shared.serialization import to_json
from components.shared.steps import TITLES

MAX_REJECTED = 100
# What evidence names as standing beside the page is linked only where it can be that.
BESIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*")


def render(
    night: Night, outcome: Outcome, summary: Mapping[str, Any], preset: Preset | None
) -> str:
    """Return the page of a night, whatever of it there is.

    Args:
        summary: as `components.reporting.summary.summarize` gives it. preset: None where resolve
            stored none.
    """
    return render_template(
        "page.html.j2",
        night=night,
        outcome=outcome,
        summary=summary,
        preset=preset,
        preset_json=(
            json.dumps(json.loads(to_json(preset)), indent=2, ensure_ascii=False) if preset else ""
        ),
        titles=TITLES,
        figures=drawings(night, preset),
        pictures=pictures(night),
        policies=_policies(preset.data) if preset else (),
        splits=[split for split in SPLITS if night.ingest and split in night.ingest.counts],
        classes=_classes(night.ingest) if night.ingest else (),
        bars=timeline(night),
        missing=[step for step in night.steps if step.status not in ("succeeded", "skipped")],
        max_rejected=MAX_REJECTED,
        champion_recall=_champion_recall(night),
        ranked=lambda sample: _ranked(sample, night),
        changed=(
            {change.name: change for change in night.evaluate.classes} if night.evaluate else {}
        ),
        beside=lambda name: bool(BESIDE.fullmatch(name)),
        in_words=in_words,
        tone=tone,
        responsible_use=RESPONSIBLE_USE,
    )


def render_plain(night: Night, outcome: Outcome, problem: str) -> str:
    """Return the least that a night must leave.

    Its outcome, and why the full page couldn't be drawn.
    """
    reasons = Markup("").join(Markup("<li>{}</li>").format(reason) for reason in outcome.reasons)
    steps = Markup("").join(
        Markup("<li>{}: {} {}</li>").format(step.name, step.status, step.error)
        for step in night.steps
    )
    page = Markup(
        '<!DOCTYPE html>\n<html lang="en"><head><meta'
        ' charset="utf-8"><title>{title}</title></head><body><h1>{title}</h1><p>{sentence}</p><ul>{reasons}</ul><p>The'
        " full page couldn't be drawn: {problem}</p><ol>{steps}</ol></body></html>\n"
    )
    return str(
        page.format(
            title=outcome.headline,
            sentence=outcome.sentence,
            reasons=reasons,
            problem=problem,
            steps=steps,
        )
    )


def _policies(policy: DataPolicy) -> list[tuple[str, str]]:
    """Return the preset's choices about data that are words, such as what becomes of twins, with their values."""
    choices = {
        field.name: getattr(policy, field.name)
        for field in fields(policy)
        if field.name != "taxonomy"
    }
    return [
        (spaced(name), spaced(value)) for name, value in choices.items() if isinstance(value, str)
    ]


def _ranked(sample: SamplePrediction, night: Night) -> list[tuple[float, str]]:
    """Return a sample's probabilities with their labels, the largest first."""
    labels = night.evaluate.labels if night.evaluate else ()
    return sorted(zip(sample.probabilities, labels, strict=False), reverse=True)


def _classes(found: IngestFindings) -> tuple[str, ...]:
    """Return the labels, then names that only stand among rows left out."""
    others = {name for per_label in found.counts.values() for name in per_label} - set(found.labels)
    return (*found.labels, *sorted(others))


def _champion_recall(night: Night) -> dict[str, float]:
    champion = night.evaluate.champion if night.evaluate else None
    return {score.label: score.recall for score in champion.per_class} if champion else {}
