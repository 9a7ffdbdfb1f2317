"""Garbage collection: what is kept for nothing leaves the store, while promotions go on.

A version is condemned before it is removed. The mark stands in the document that every promotion
compares and sets: either the promotion was first and the version is spared, or the mark was and the
promotion is refused. What protects a version from outside of that document, a request for approval
or what serves, is looked at again once the mark stands; and who brings a version for approval looks
for the mark after asking. So one of the two always sees the other.

A killed collection leaves marks, and the next one goes on. Nothing is removed later than `REMOVING`
after its mark and no mark is lifted before `LIFTING`, so a collection that was held up can't take a
version away that has come back.

Snapshots and checkpoints need no marks. They only save work: a night that finds its snapshot gone
reads the source anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from components.deployment.registry.promotion import changed
from components.deployment.registry.registry import Registry, model_names
from components.deployment.registry.retention import Standing, needed, survey, versions
from components.shared.artifacts.contract import MARKERS
from components.shared.errors import EnvironmentProblem
from components.shared.records import Condemned, Pointers
from components.shared.store import keys
from components.shared.store.interface import Store

REMOVING = timedelta(minutes=30)
LIFTING = timedelta(hours=1)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc)


def collect(store: Store, before: float, clock: Clock = utc_now) -> list[Standing]:
    """Remove everything that is kept for nothing.

    Doing it again goes on where a killed collection ended.

    Args:
        before: whatever was used since then stays (seconds since the epoch).

    Returns:
        What was removed.

    Raises:
        EnvironmentProblem: the store is too slow to remove a model's versions within `REMOVING`;
            doing it again goes on.
    """
    removed = [
        standing
        for name in model_names(store)
        for standing in collect_versions(Registry(store, name), before, clock)
    ]
    for standing in survey(store, before):
        if standing.kind != "version" and not standing.kept_for:
            _remove(store, standing)
            removed.append(standing)
    store.sweep(min(before, (clock() - LIFTING).timestamp()))  # never what someone is writing now
    return removed


def collect_versions(registry: Registry, before: float, clock: Clock = utc_now) -> list[Standing]:
    """`collect` for the versions of one model."""
    at = clock()
    mark = at.isoformat(timespec="milliseconds")

    def condemn(now: Pointers) -> Pointers:
        going = [
            standing.name for standing in versions(registry, now, before) if not standing.kept_for
        ]
        others = (one for one in now.condemned if one.version not in going)
        recent = (one for one in others if at - datetime.fromisoformat(one.at) < LIFTING)
        marks = (*recent, *(Condemned(version, mark) for version in going))
        return now if marks == now.condemned else changed(now, condemned=marks)

    now = registry.change(condemn)
    spared = {version for version, _ in needed(registry, now)}
    condemned = {one.version for one in now.condemned if one.at == mark} - spared
    going = [standing for standing in versions(registry, now, before) if standing.name in condemned]
    for standing in going:
        if clock() - at > REMOVING:
            raise EnvironmentProblem(
                f"removing versions of {registry.name} takes too long",
                fix="run it again; it goes on from here",
            )
        registry.store.delete_tree(standing.key, MARKERS["model"])
    return going


def _remove(store: Store, standing: Standing) -> None:
    if standing.kind == "checkpoint":
        for key in list(store.list(standing.key)):
            store.delete(key)
        return
    _, source_id, snapshot_id = standing.key.split("/")
    store.delete(keys.snapshot_index(source_id, snapshot_id))
    store.delete_tree(standing.key, MARKERS["examples"])
