"""The model card: what a model is for, how well it does and where it came from, as Markdown.

Sections after Mitchell et al. 2019, "Model Cards for Model Reporting", section 4.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from components.reporting.evidence import Night
from components.reporting.outcome import Outcome
from components.shared.findings import EvaluateFindings, Scores
from components.shared.preset import Preset

RESPONSIBLE_USE = (
    "Inferring emotions of people at work or in education is prohibited in the European Union (AI"
    " Act, Regulation (EU) 2024/1689, Article 5(1)(f)), except for medical or safety reasons. Other"
    " uses of emotion recognition are high-risk under its Annex III and carry duties of"
    " transparency (Article 50(3)). The labels are what an expression looks like to annotators, not"
    " what a person feels."
)

FEW_ROWS = 100


def model_card(night: Night, found: EvaluateFindings, outcome: Outcome, preset: Preset) -> str:
    """Return the card of the model that was evaluated tonight."""
    parts = [
        f"# {_text(preset.model_name)}, version {_text(found.challenger.version)}",
        (
            f"Judged in run {_text(night.run_id)}: **{_text(outcome.word.replace('-', ' '))}**."
            f" {_text(' '.join(outcome.reasons))}"
        ),
        *_details(night, preset),
        (
            "## Intended use\n\nNaming the expression that one cropped face per image shows, out of"
            " the labels below, where people know of it and a wrong answer does no harm; research."
        ),
        f"## Prohibited use\n\n{RESPONSIBLE_USE}",
        *_data(night, found),
        *_results(found),
        f"## Limits\n\n{_limits(night, found)}",
    ]
    return "\n\n".join(parts) + "\n"


def _details(night: Night, preset: Preset) -> list[str]:
    image = preset.data.image
    rows = [
        ("Preset", f"{preset.name}: {preset.summary}"),
        (
            "Input",
            (
                f"uint8 pixels, {image.height} x {image.width},"
                f" {'gray' if image.channels == 1 else 'colour'}"
            ),
        ),
        ("Run", night.run_id),
    ]
    if night.resolve:
        rows.append(("Code version", night.resolve.plan.code_version))
    if night.train:
        train = night.train
        rows += [
            ("Architecture", f"{train.architecture}, {train.parameters:,} parameters"),
            (
                "Training",
                (
                    f"{len(train.history.get('val_loss', ()))} epochs, best {train.best_epoch};"
                    f" seed {train.seed}; {train.device}"
                ),
            ),
            (
                "Calibration",
                (
                    f"temperature {train.temperature:.3f}; ECE {train.ece_before:.3f} before,"
                    f" {train.ece_after:.3f} after"
                ),
            ),
        ]
    return ["## Model", _table(("", ""), rows)]


def _data(night: Night, found: EvaluateFindings) -> list[str]:
    rows = [("Snapshot", found.snapshot_id)]
    if night.resolve:
        rows.insert(0, ("Source", night.resolve.plan.listing.uri))
    if night.ingest:
        counts = night.ingest.counts
        rows += [
            (f"Rows, {split}", f"{sum(per_label.values()):,}")
            for split, per_label in counts.items()
        ]
    return ["## Data", _table(("", ""), rows)]


def _results(found: EvaluateFindings) -> list[str]:
    models = [
        ("challenger", found.challenger),
        *((name, scores) for name, scores in _others(found) if scores),
    ]
    header = ("measure", *(f"{name} {scores.version}" for name, scores in models))
    measures = (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "majority_share",
        "log_loss",
        "brier",
        "ece",
        "accuracy_without_twins",
    )
    rows = [
        (measure.replace("_", " "), *(f"{getattr(scores, measure):.4f}" for _, scores in models))
        for measure in measures
    ]
    classes = [
        (
            score.label,
            f"{score.precision:.3f}",
            f"{score.recall:.3f}",
            f"{score.f1:.3f}",
            f"{score.support:,}",
        )
        for score in found.challenger.per_class
    ]
    slices = [
        (change.kind, change.name, f"{change.challenger:.3f}", f"{change.rows:,}")
        for change in found.slices
    ]
    what = "test" if found.scored_on == "test" else "held-out validation"
    return [
        f"## Results on {found.challenger.rows:,} {what} rows",
        _table(header, rows),
        "### By class",
        _table(("class", "precision", "recall", "F1", "rows"), classes),
        *(
            ["### By slice", _table(("column", "slice", "accuracy", "rows"), slices)]
            if slices
            else []
        ),
    ]


def _limits(night: Night, found: EvaluateFindings) -> str:
    """Return what the figures don't cover, with those classes and slices where they are worst or rest on few rows."""
    sentences = [
        (
            "Accuracy was measured on this data alone: other cameras, crops, ages and skin tones"
            " were not measured."
        ),
        "Probabilities are calibrated on held-out training rows.",
    ]
    if found.challenger.per_class:
        worst = min(found.challenger.per_class, key=lambda score: score.recall)
        sentences.append(f"The least recall is that of {worst.label}, {worst.recall:.1%}.")
    few = [score.label for score in found.challenger.per_class if score.support < FEW_ROWS]
    if few:
        sentences.append(f"Fewer than {FEW_ROWS} rows stand behind {', '.join(few)}.")
    noise = night.validate.label_noise if night.validate else None
    if noise:
        sentences.append(
            f"{sum(noise.doubted.values()):,} of {noise.rows:,} judged labels are doubted by"
            f" {noise.method}."
        )
    return _text(" ".join(sentences))


def _others(found: EvaluateFindings) -> list[tuple[str, Scores | None]]:
    return [("champion", found.champion), ("anchor", found.anchor)]


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_text(cell) for cell in line) + " |" for line in lines)


def _text(value: str) -> str:
    """Text without meaning in Markdown or HTML, on one line."""
    escaped = html.escape(" ".join(value.split()), quote=False)
    return (
        escaped
        if set(escaped) == {"-"}
        else "".join(f"\\{mark}" if mark in "\\`*_[]|" else mark for mark in escaped)
    )
