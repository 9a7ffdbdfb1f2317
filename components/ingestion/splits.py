"""Where a row is used. Decided by content, so copies of a picture stay together and no picture ever changes split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from components.contracts.preset import DataPolicy

LEFT_OUT = "left-out"
CLASS_LEFT_OUT = "class-left-out"
PRIVATE_TEST = "private-test"
HELD_OUT = "held-out"
DRAWN_FOR_TEST = "drawn-for-test"
TWIN_IN_TEST = "twin-in-test"
TWIN_IN_VALIDATION = "twin-in-validation"

Decision = tuple[str, str]


@dataclass(frozen=True)
class SplitRules:
    """The data policy, and which splits the source itself publishes."""

    test_published: bool
    validation_published: bool
    test_share: float
    validation_share: float
    keep_twins: bool

    @classmethod
    def of(cls, policy: DataPolicy, published: frozenset[str]) -> SplitRules:
        return cls("test" in published, "validation" in published, policy.test_share, policy.validation_share, policy.test_twins == "keep")


def settle(group_id: str, published: Sequence[str], rules: SplitRules) -> list[Decision]:
    """The split and the note of every row of one content group.

    Args:
        published: per row train, validation, test, private-test, class-left-out, or nothing where the
            source says none.

    Returns:
        per row the split, and why it isn't the published one (nothing where it is, or none was published).
    """
    places = [_own_decision(group_id, split, rules) for split in published]
    if rules.keep_twins:
        return places
    splits = {split for split, _ in places}
    if "test" in splits:
        return [(LEFT_OUT, TWIN_IN_TEST) if split in ("train", "validation") else (split, note) for split, note in places]
    if "validation" in splits:
        return [(LEFT_OUT, TWIN_IN_VALIDATION) if split == "train" else (split, note) for split, note in places]
    return places


def share_of(purpose: str, group_id: str) -> float:
    """A number in [0, 1) that depends on nothing but the purpose and the group: a draw that never changes."""
    return int(hashlib.sha256(f"{purpose}:{group_id}".encode()).hexdigest()[:13], 16) / 16**13


def _own_decision(group_id: str, published: str, rules: SplitRules) -> Decision:
    if published in (CLASS_LEFT_OUT, PRIVATE_TEST):
        return LEFT_OUT, published
    if published in ("test", "validation"):
        return published, ""
    if not rules.test_published and share_of("test", group_id) < rules.test_share:
        return "test", DRAWN_FOR_TEST if published else ""
    if not rules.validation_published and share_of("validation", group_id) < rules.validation_share:
        return "validation", HELD_OUT if published else ""
    return "train", ""
