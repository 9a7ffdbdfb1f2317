"""What rows must be like, as Great Expectations built from the preset.

To add a rule, add an entry here and its name and severity to
`components.shared.preset.validation.RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe

from components.shared.artifacts.contract import EXAMPLE_COLUMNS, SPLITS
from components.shared.preset import Preset
from components.shared.text import percent

Result = dict[str, Any]


@dataclass(frozen=True)
class RowRule:
    """One rule on one of the tables of `components.validation.rows.tables.Tables`.

    Attributes:
        name: in `components.shared.preset.validation.RULES`.
        expectation: what Great Expectations checks on the table called ``table``.
        value: the measured value in words, from the expectation's result. bound: in words.
        holds, breaks: the sentence either way; ``{value}`` is filled in, and ``{culprits}`` in
            ``breaks``.
        culprits: what breaks the rule, at most a few; by default the names or values that Great
            Expectations lists.
    """

    name: str
    table: str
    expectation: Any
    value: Callable[[Result], str]
    bound: str
    holds: str
    breaks: str
    culprits: Callable[[Result], list[str]] | None = None


def row_rules(preset: Preset, marked_rows: int) -> tuple[RowRule, ...]:
    """Every rule for a preset's examples.

    ``marked_rows`` is how many the completion marker counts.
    """
    return (
        *_contract(preset, marked_rows),
        *_identity(preset),
        *_amounts(preset),
        *_pictures(preset),
    )


def _contract(preset: Preset, marked_rows: int) -> tuple[RowRule, ...]:
    labels = preset.data.labels
    columns = [f"{name}: {kind}" for name, kind in EXAMPLE_COLUMNS.items()]
    return (
        RowRule(
            "columns",
            "columns",
            gxe.ExpectColumnDistinctValuesToContainSet(column="column", value_set=columns),
            lambda result: _count(len(columns) - result["missing_count"], "column"),
            f"all {len(columns)}",
            "Every column of the contract is there, with its type.",
            "Only {value} of the contract are there with their type; missing or of another type:"
            " {culprits}.",
            lambda result: list(result["partial_missing_list"]),
        ),
        RowRule(
            "rows as marked",
            "examples",
            gxe.ExpectTableRowCountToEqual(value=marked_rows),
            lambda result: _count(result["observed_value"], "row"),
            _count(marked_rows, "row"),
            "The files hold the {value} that the completion marker counts.",
            f"The files hold {{value}} but the completion marker counts {marked_rows:,}.",
        ),
        RowRule(
            "label order",
            "snapshot",
            gxe.ExpectColumnValuesToBeInSet(column="labels", value_set=[" ".join(labels)]),
            lambda result: "another" if result["unexpected_count"] else "the same",
            "the preset's",
            "The examples name the labels in the preset's order.",
            "The examples name other labels, or in another order, than the preset: {culprits}"
            f" instead of {' '.join(labels)}.",
        ),
        RowRule(
            "known labels",
            "examples",
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=list(labels)),
            _wrong("row"),
            "no other label",
            f"Every row carries one of the {len(labels)} labels.",
            "A label that the preset doesn't know: {value} ({culprits}).",
        ),
        RowRule(
            "known splits",
            "examples",
            gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
            _wrong("row"),
            "no other split",
            "Every row stands in a known split.",
            "An unknown split: {value} ({culprits}).",
        ),
        RowRule(
            "soft labels",
            "examples",
            gxe.ExpectColumnValuesToBeBetween(column="soft_label_faults", max_value=0),
            _wrong("row"),
            "none, or shares of the labels that add up to 1",
            "Every soft label is a distribution over the labels.",
            f"Soft labels that aren't a distribution over the {len(labels)} labels: {{value}}.",
        ),
    )


def _identity(preset: Preset) -> tuple[RowRule, ...]:
    return (
        RowRule(
            "unique example ids",
            "examples",
            gxe.ExpectColumnValuesToBeUnique(column="example_id"),
            _wrong("row"),
            "none twice",
            "No example id stands twice.",
            "An example id that stands more than once: {value} ({culprits}).",
        ),
        RowRule(
            "split leakage",
            "test_groups",
            gxe.ExpectColumnValuesToBeBetween(column="partners", max_value=1),
            _wrong("group"),
            "none; the preset keeps them" if preset.data.test_twins == "keep" else "none",
            "No content group stands both in test and in training or validation.",
            "Content both in test and in training or validation: {value} ({culprits}).",
        ),
        RowRule(
            "held-out groups",
            "held_out_groups",
            gxe.ExpectColumnValuesToBeBetween(column="partners", max_value=1),
            _wrong("group"),
            "none",
            "No content group stands both in training and in validation.",
            "Content both in training and in validation, so early stopping and calibration see"
            " copies: {value} ({culprits}).",
        ),
        RowRule(
            "one label per content",
            "contents",
            gxe.ExpectColumnValuesToBeBetween(column="partners", max_value=1),
            _wrong("picture"),
            "none",
            "No picture carries more than one label.",
            "The same picture under more than one label: {value}.",
        ),
    )


def _amounts(preset: Preset) -> tuple[RowRule, ...]:
    policy = preset.validation
    most, least = (
        _bound("at most", policy.max_class_share, 0),
        _bound("at least", policy.min_class_share),
    )
    rejects = _bound("at most", policy.max_reject_rate)
    return (
        _at_least("training rows per class", "train", "training", policy.min_train_per_class),
        _at_least("test rows per class", "test", "test", policy.min_test_per_class),
        _at_least("held-out rows per class", "validation", "validation", 1),
        RowRule(
            "largest class share",
            "classes",
            gxe.ExpectColumnMaxToBeBetween(column="share", max_value=policy.max_class_share),
            _percent(policy.max_class_share),
            most,
            "The largest class holds {value} of the training rows.",
            f"The largest class holds {{value}} of the training rows; {most} is allowed.",
        ),
        RowRule(
            "smallest class share",
            "classes",
            gxe.ExpectColumnMinToBeBetween(column="share", min_value=policy.min_class_share),
            _percent(policy.min_class_share),
            least,
            "The smallest class holds {value} of the training rows.",
            f"The smallest class holds {{value}} of the training rows; {least} is asked for.",
        ),
        RowRule(
            "reject rate",
            "snapshot",
            gxe.ExpectColumnMaxToBeBetween(column="reject_rate", max_value=policy.max_reject_rate),
            _percent(policy.max_reject_rate),
            rejects,
            "Of the images read, {value} were rejected.",
            f"Of the images read, {{value}} were rejected; {rejects} is allowed.",
        ),
    )


def _at_least(name: str, split: str, word: str, bound: int) -> RowRule:
    return RowRule(
        name,
        "classes",
        gxe.ExpectColumnValuesToBeBetween(column=split, min_value=bound),
        lambda result: _count(result["unexpected_count"], "class", "classes") + " short",
        f"at least {bound:,} each",
        f"Every class has at least {bound:,} {word} rows.",
        f"Fewer than {bound:,} {word} rows: {{culprits}}.",
    )


def _pictures(preset: Preset) -> tuple[RowRule, ...]:
    image = preset.data.image
    return (
        _large_enough("width", image.width),
        _large_enough("height", image.height),
        RowRule(
            "brightness",
            "examples",
            gxe.ExpectColumnValuesToBeBetween(
                column="brightness", min_value=5, max_value=250, mostly=0.99
            ),
            _wrong("row"),
            "5 to 250 of 255 for 99 %",
            "At least 99 % of the pictures are neither black nor white.",
            "Almost black or almost white pictures (mean brightness below 5 or above 250 of 255):"
            " {value}.",
        ),
        RowRule(
            "near-constant images",
            "examples",
            gxe.ExpectColumnValuesToBeBetween(
                column="contrast", min_value=preset.data.min_contrast
            ),
            _wrong("row"),
            f"contrast {preset.data.min_contrast:g} or more",
            "No picture is nearly one level all over.",
            "Pictures that are nearly one level all over (contrast below"
            f" {preset.data.min_contrast:g} of 255): {{value}}.",
        ),
        RowRule(
            "measures present",
            "measures",
            gxe.ExpectColumnValuesToBeBetween(column="missing", max_value=0.0),
            _wrong("measure"),
            "none missing",
            "Brightness, contrast, sharpness and entropy are measured for every picture.",
            "Not measured for every picture: {culprits}.",
        ),
    )


def _large_enough(side: str, size: int) -> RowRule:
    return RowRule(
        f"image {side}",
        "examples",
        gxe.ExpectColumnValuesToBeBetween(column=side, min_value=size / 2, mostly=0.95),
        _wrong("row"),
        f"{size / 2:g} pixels or more for 95 %",
        f"At least 95 % of the pictures have half the model's {side} of {size} pixels or more.",
        f"Pictures blown up because they have less than half the model's {side} of {size} pixels:"
        " {value} ({culprits} pixels).",
    )


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _wrong(noun: str) -> Callable[[Result], str]:
    """How many rows of the table break the rule, each called a ``noun``."""
    return lambda result: _count(result["unexpected_count"], noun)


def _percent(bound: float) -> Callable[[Result], str]:
    return lambda result: percent(result["observed_value"], bound)


def _bound(word: str, bound: float, digits: int = 1) -> str:
    return f"{word} {percent(bound, bound, digits)}"
