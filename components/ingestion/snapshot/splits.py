"""Where a row is used.

Decided by content, so copies of a picture stay together and no picture ever changes split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.preset import DataPolicy
from components.shared.preset.data import Treatment

LEFT_OUT = "left-out"
CLASS_LEFT_OUT = "class-left-out"
PRIVATE_TEST = "private-test"
HELD_OUT = "held-out"
DRAWN_FOR_TEST = "drawn-for-test"
TWIN_IN_TEST = "twin-in-test"
NEAR_TWIN_IN_TEST = "near-twin-in-test"
TWIN_IN_VALIDATION = "twin-in-validation"
NEAR_TWIN_IN_VALIDATION = "near-twin-in-validation"
EXACT_COPY = "exact-copy"
NEAR_DUPLICATE = "near-duplicate"
LABEL_CONFLICT = "label-conflict"
NEAR_CONSTANT = "near-constant"

# What may stand in a row, by code: its split, published or decided, and its note. Empty is nothing.
WORDS = (
    "",
    "train",
    "validation",
    "test",
    PRIVATE_TEST,
    LEFT_OUT,
    CLASS_LEFT_OUT,
    HELD_OUT,
    DRAWN_FOR_TEST,
    TWIN_IN_TEST,
    NEAR_TWIN_IN_TEST,
    TWIN_IN_VALIDATION,
    NEAR_TWIN_IN_VALIDATION,
    EXACT_COPY,
    NEAR_DUPLICATE,
    LABEL_CONFLICT,
    NEAR_CONSTANT,
)
CODE = {word: code for code, word in enumerate(WORDS)}

Words = npt.NDArray[np.int8]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Draws = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SplitRules:
    """The data policy, and which splits the source itself publishes."""

    policy: DataPolicy
    test_published: bool
    validation_published: bool

    @classmethod
    def of(cls, policy: DataPolicy, published: frozenset[str]) -> SplitRules:
        """Return the rules of a preset."""
        return cls(policy, "test" in published, "validation" in published)


@dataclass(frozen=True)
class Rows:
    """What the decision needs to know of every row.

    All arrays have one element per row, in the order of the source.

    Attributes:
        draws: for a purpose the number drawn for each group (see `draws`). group, content, label:
            codes; equal ones are the same.
        published: the `CODE` of train, validation, test, private-test, class-left-out, or of
            nothing where the source says none.
        flat: whether the picture is nearly one level all over.
    """

    draws: Callable[[str], Draws]
    group: Codes
    content: Codes
    label: Codes
    published: Words
    flat: Mask


def decide(rows: Rows, rules: SplitRules) -> tuple[Words, Words]:
    """Return the codes of every row's split and note.

    Why it isn't the published one (nothing where it is, or none was published).
    """
    split, note = _own_places(rows, rules)
    policy = rules.policy
    _treat(rows.flat, policy.near_constant, NEAR_CONSTANT, split, note)
    _treat(
        _conflicting(rows, split != CODE[LEFT_OUT]),
        policy.label_conflicts,
        LABEL_CONFLICT,
        split,
        note,
    )
    if policy.test_twins == "leave-training":
        _part(rows, "test", ("train", "validation"), TWIN_IN_TEST, NEAR_TWIN_IN_TEST, split, note)
        _part(
            rows, "validation", ("train",), TWIN_IN_VALIDATION, NEAR_TWIN_IN_VALIDATION, split, note
        )
    _thin(rows.content, rows.content, policy.exact_copies, EXACT_COPY, split, note)
    _thin(rows.group, rows.content, policy.near_duplicates, NEAR_DUPLICATE, split, note)
    return split, note


def draws(purpose: str, group_ids: Sequence[str]) -> Draws:
    """Return a number in [0, 1) for each group. Depends on nothing but the purpose and the group, so a draw never changes.

    It is the first 13 hex digits of a SHA-256, as a fraction of 1.
    """
    prefix = f"{purpose}:".encode()
    heads = b"".join([hashlib.sha256(prefix + group.encode()).digest()[:8] for group in group_ids])
    return (np.frombuffer(heads, ">u8") >> 12) / 16.0**13


def _own_places(rows: Rows, rules: SplitRules) -> tuple[Words, Words]:
    """Return the split that the row itself and its group's draw say."""
    published = rows.published
    split, note = published.copy(), np.zeros(len(published), np.int8)
    unused = (published == CODE[CLASS_LEFT_OUT]) | (published == CODE[PRIVATE_TEST])
    note[unused] = published[unused]
    split[unused] = CODE[LEFT_OUT]
    free = (published == CODE[""]) | (published == CODE["train"])
    split[free] = CODE["train"]
    draws = (
        ("validation", HELD_OUT, rules.validation_published, rules.policy.validation_share),
        ("test", DRAWN_FOR_TEST, rules.test_published, rules.policy.test_share),
    )
    for name, why, is_published, share in draws:
        if not is_published:
            chosen = free & (rows.draws(name) < share)[rows.group]
            split[chosen] = CODE[name]
            note[chosen] = np.where(published[chosen] == CODE[""], CODE[""], CODE[why])
    return split, note


def _treat(found: Mask, treatment: Treatment, why: str, split: Words, note: Words) -> None:
    """Leave the found rows out, of training or of everything."""
    if treatment != "keep":
        leaving = found & np.isin(
            split, _codes("train", "validation", *(["test"] if treatment == "drop" else []))
        )
        split[leaving], note[leaving] = CODE[LEFT_OUT], CODE[why]


def _conflicting(rows: Rows, used: Mask) -> Mask:
    """Rows whose content carries another label in another used row."""
    labels = int(rows.label.max(initial=0)) + 1
    copied = (
        used & (np.bincount(rows.content[used], minlength=len(used)) > 1)[rows.content]
    )  # few are
    pairs = np.unique(rows.content[copied] * labels + rows.label[copied])
    contents, counts = np.unique(pairs // labels, return_counts=True)
    return copied & np.isin(rows.content, contents[counts > 1])


def _part(
    rows: Rows, kept: str, others: tuple[str, ...], exact: str, near: str, split: Words, note: Words
) -> None:
    """Take what stands in the split ``kept`` out of the ``others``, with its whole group."""
    where = split == CODE[kept]
    leaving = np.isin(split, _codes(*others)) & np.isin(rows.group, rows.group[where])
    note[leaving] = np.where(
        np.isin(rows.content[leaving], rows.content[where]), CODE[exact], CODE[near]
    )
    split[leaving] = CODE[LEFT_OUT]


def _thin(
    key: Codes, content: Codes, treatment: Treatment, why: str, split: Words, note: Words
) -> None:
    """Keep the first content of each key (its first row where the key is the content) in training, and in test when dropping."""
    if treatment == "keep":
        return
    for places in (("train", "validation"), ("test",))[: 2 if treatment == "drop" else 1]:
        rows = np.flatnonzero(np.isin(split, _codes(*places)))
        _, first, code = np.unique(key[rows], return_index=True, return_inverse=True)
        stays = (
            first[code] == np.arange(len(rows))
            if key is content
            else content[rows] == content[rows[first[code]]]
        )
        split[rows[~stays]], note[rows[~stays]] = CODE[LEFT_OUT], CODE[why]


def _codes(*words: str) -> Words:
    return np.array([CODE[word] for word in words], np.int8)
