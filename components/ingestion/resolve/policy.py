"""Is tonight worth training? Pure.

What stands tonight and what the last judged night met, against the preset's policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.shared.preset import RetrainPolicy
from components.shared.records import JudgedRun
from components.shared.text import percent


@dataclass(frozen=True)
class Circumstances:
    """What else bears on the night.

    Attributes:
        changed: objects that came, changed or went since the last judged night; None where it
            wasn't counted.
        decided: people decided about single pictures since.
        drift: what `emotion drift` found since, in words; empty where nothing drifted.
        champion_days, judged_days: since the champion was promoted, and since a night was judged;
            None where unknown.
    """

    changed: int | None = None
    decided: bool = False
    drift: str = ""
    champion_days: float | None = None
    judged_days: float | None = None


def counts_objects(policy: RetrainPolicy) -> bool:
    """Whether it matters how many objects changed: by default any change is enough."""
    return policy.changed_objects != 1


def decide(
    tonight: JudgedRun,
    last: JudgedRun | None,
    *,
    force: bool,
    policy: RetrainPolicy = RetrainPolicy(),  # noqa: B008 - frozen
    around: Circumstances = Circumstances(),
) -> tuple[bool, str]:
    """Whether there is work, and why in words. ``tonight`` needs no run and no outcome."""
    images = _objects(tonight.objects)
    if last is None:
        return True, f"this is the first night: {images}"
    before = (
        f"run {last.run_id or 'unknown'}, which ended"
        f" {last.outcome or 'without a recorded outcome'}"
    )
    triggers = list(_triggers(policy, around))
    if last.fingerprint == tonight.fingerprint:
        if triggers:
            return True, f"{' and '.join(triggers)}, though nothing changed since {before}"
        if force:
            return True, f"forced, though nothing changed since {before}"
        if last.outcome == "failed":
            return True, f"nothing changed, but the last night failed (run {last.run_id})"
        return False, f"nothing changed since {before}: the same {images}, preset and code"
    if not (last.listing_digest and last.preset_digest):
        return True, f"the source, the preset or the code changed ({images} now) since {before}"
    changes = list(_changes(tonight, last, policy, around))
    worth = [words for words, enough in changes if enough] + triggers
    if worth:
        return True, f"{' and '.join(worth)} since {before}"
    found = " and ".join(words for words, _ in changes)
    if force:
        return (
            True,
            f"forced, though less than the preset waits for changed since {before}: {found}",
        )
    return False, f"{found} since {before}; the preset waits for {_waited_for(policy)}"


def _changes(
    tonight: JudgedRun, last: JudgedRun, policy: RetrainPolicy, around: Circumstances
) -> Iterator[tuple[str, bool]]:
    """Yield what differs from the last judged night, and whether it is enough for work."""
    known = False
    if last.listing_digest != tonight.listing_digest:
        known = True
        grown = f", {last.objects:,} before" if last.objects else ""
        counted = (
            "" if around.changed is None else f"{_objects(around.changed)} came, changed or went; "
        )
        yield (
            f"the source changed ({counted}{_objects(tonight.objects)} now{grown})",
            _enough(policy, around.changed, last.objects),
        )
    if last.preset_digest != tonight.preset_digest:
        known = True
        yield "the preset changed", policy.preset
    if last.code_version != tonight.code_version:
        known = True
        yield "the code changed", policy.code
    if around.decided or not known:
        yield "labels or tombstones changed", True


def _triggers(policy: RetrainPolicy, around: Circumstances) -> Iterator[str]:
    """Yield what makes work though nothing changed."""
    if policy.drift and around.drift:
        yield f"what is served drifted ({around.drift})"
    limit, age = policy.champion_age_days, around.champion_days
    if (
        limit is not None
        and age is not None
        and age >= limit
        and (around.judged_days is None or around.judged_days >= limit)
    ):
        yield f"the champion is {age:.0f} days old, and {limit:g} are allowed"


def _enough(policy: RetrainPolicy, changed: int | None, objects: int) -> bool:
    if changed is None:  # what can't be counted is never let pass
        return True
    by_count = policy.changed_objects is not None and changed >= policy.changed_objects
    return by_count or (
        policy.changed_share is not None and changed >= policy.changed_share * max(objects, 1)
    )


def _waited_for(policy: RetrainPolicy) -> str:
    limits = []
    if policy.changed_objects is not None:
        limits.append(f"{policy.changed_objects:,} changed objects")
    if policy.changed_share is not None:
        limits.append(f"{percent(policy.changed_share, policy.changed_share)} of them")
    return " or ".join(limits) or "other changes than of the source"


def _objects(count: int) -> str:
    return f"{count:,} object" + ("" if count == 1 else "s")
