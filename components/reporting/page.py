"""The page: one HTML file that loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.contracts.artifacts import SPLITS
from components.contracts.codec import to_json
from components.contracts.findings import IngestFindings, SamplePrediction
from components.contracts.preset import Preset
from components.reporting.model_card import RESPONSIBLE_USE
from components.reporting.night import Night
from components.reporting.outcome import TITLES, Outcome
from components.reporting.timeline import timeline
from components.reporting.words import FILTERS

TEMPLATES = Path(__file__).parent / "templates"
# An image inside evidence is shown only as what it must be: base64 of a raster image.
IMAGE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")
MAX_IMAGE_CHARACTERS = 2_500_000
MAX_SAMPLES = 42
MAX_THUMBNAILS = 8
MAX_REJECTED = 40


@dataclass
class _Budget:
    """How many characters of images the page may still hold."""

    left: int = MAX_IMAGE_CHARACTERS

    def admit(self, image: str) -> str:
        """The image, or nothing when it isn't one or the page is full."""
        if len(image) > self.left or not IMAGE.fullmatch(image):
            return ""
        self.left -= len(image)
        return image


def render(night: Night, outcome: Outcome, summary: Mapping[str, Any], preset: Preset) -> str:
    """The page of a night, whatever of it there is.

    Args:
        summary: as `components.reporting.summary.summarize` gives it.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(FILTERS)
    budget = _Budget()
    samples = tuple(replace(sample, image=budget.admit(sample.image)) for sample in _samples(night))
    thumbnails = _thumbnails(night.ingest, budget) if night.ingest else {}
    return environment.get_template("page.html.j2").render(
        night=night,
        outcome=outcome,
        summary=summary,
        preset=preset,
        preset_json=json.dumps(json.loads(to_json(preset)), indent=2, ensure_ascii=False),
        titles=TITLES,
        figures=_figures(night, preset),
        samples=samples,
        thumbnails=thumbnails,
        splits=[split for split in SPLITS if night.ingest and split in night.ingest.counts],
        classes=_classes(night.ingest) if night.ingest else (),
        bars=timeline(night),
        missing=[step for step in night.steps if step.status not in ("succeeded", "skipped")],
        max_rejected=MAX_REJECTED,
        champion_recall=_champion_recall(night),
        ranked=lambda sample: _ranked(sample, night),
        responsible_use=RESPONSIBLE_USE,
    )


def render_plain(night: Night, outcome: Outcome, problem: str) -> str:
    """The least that a night must leave: its outcome, and why the full page couldn't be drawn."""
    reasons = Markup("").join(Markup("<li>{}</li>").format(reason) for reason in outcome.reasons)
    steps = Markup("").join(Markup("<li>{}: {} {}</li>").format(step.name, step.status, step.error) for step in night.steps)
    page = Markup(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        "<body><h1>{title}</h1><p>{sentence}</p><ul>{reasons}</ul><p>The full page couldn't be drawn: {problem}</p>"
        "<ol>{steps}</ol></body></html>\n"
    )
    return str(page.format(title=outcome.headline, sentence=outcome.sentence, reasons=reasons, problem=problem, steps=steps))


def _samples(night: Night) -> tuple[SamplePrediction, ...]:
    return night.evaluate.samples[:MAX_SAMPLES] if night.evaluate else ()


def _ranked(sample: SamplePrediction, night: Night) -> list[tuple[float, str]]:
    """A sample's probabilities with their labels, the largest first."""
    labels = night.evaluate.labels if night.evaluate else ()
    return sorted(zip(sample.probabilities, labels, strict=False), reverse=True)


def _thumbnails(found: IngestFindings, budget: _Budget) -> dict[str, list[str]]:
    per_label = {label: [budget.admit(image) for image in images[:MAX_THUMBNAILS]] for label, images in found.thumbnails.items()}
    return {label: [image for image in images if image] for label, images in per_label.items()}


def _classes(found: IngestFindings) -> tuple[str, ...]:
    """The labels, then names that only stand among rows left out."""
    others = {name for per_label in found.counts.values() for name in per_label} - set(found.labels)
    return (*found.labels, *sorted(others))


def _champion_recall(night: Night) -> dict[str, float]:
    champion = night.evaluate.champion if night.evaluate else None
    return {score.label: score.recall for score in champion.per_class} if champion else {}


def _figures(night: Night, preset: Preset) -> dict[str, Markup]:
    """The figures that the evidence allows, by name. Without evidence for any, matplotlib isn't even imported."""
    resample, train, evaluate = night.resample, night.train, night.evaluate
    if not (resample or train or evaluate):
        return {}
    from components.reporting import figures

    drawn: dict[str, Markup] = {}
    if resample:
        drawn["balance"] = _try(lambda: figures.class_balance(preset.data.labels, resample.before, resample.after))
    if train:
        drawn["accuracy"] = _try(lambda: figures.learning_curve("accuracy", train.history, train.best_epoch, train.stages))
        drawn["loss"] = _try(lambda: figures.learning_curve("loss", train.history, train.best_epoch, train.stages))
    if evaluate:
        champion = _champion_recall(night)
        per_class = evaluate.challenger.per_class
        recalls = [score.recall for score in per_class]
        drawn["confusion"] = _try(lambda: figures.confusion_matrix(evaluate.labels, evaluate.challenger.confusion))
        drawn["recalls"] = _try(
            lambda: figures.recalls(
                [score.label for score in per_class], recalls, [champion.get(score.label, 0.0) for score in per_class] if champion else None
            )
        )
    return drawn


def _try(draw: Callable[[], str]) -> Markup:
    """A figure, or a note in its place: findings that contradict themselves mustn't cost the page."""
    try:
        return Markup(draw())  # noqa: S704 - drawn by matplotlib, which escapes the text it is given
    except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, ImportError) as error:
        return Markup('<p class="note">This figure could not be drawn: {}: {}</p>').format(type(error).__name__, error)
