"""What stands in the store, and what each of it is kept for.

What is kept for nothing is garbage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from components.deployment.registry.approval import requests
from components.deployment.registry.registry import Registry, model_names
from components.shared.records import AcceptedSnapshot, Decision, Pointers, read_record
from components.shared.run_plan import Pointer
from components.shared.store import keys
from components.shared.store.interface import Entry, Store

_SNAPSHOT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Standing:
    """A version, a snapshot or a checkpoint.

    Attributes:
        key: of its folder. kept_for: what needs it; nothing for garbage.
    """

    kind: Literal["version", "snapshot", "checkpoint"]
    key: str
    bytes: int
    kept_for: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]


def survey(store: Store, before: float) -> list[Standing]:
    """Everything that garbage collection looks at, kept or not.

    Args:
        before: whatever was used since then stays (seconds since the epoch).
    """
    found, trained_on = [], dict[str, list[str]]()
    for registry in (Registry(store, name) for name in model_names(store)):
        standing = versions(registry, registry.pointers(), before)
        whole = set(registry.versions())
        for version in (one.name for one in standing if one.kept_for and one.name in whole):
            trained_on.setdefault(registry.manifest(version).snapshot_id, []).append(
                f"{registry.name} {version} was trained on it"
            )
        found += standing
    return [*found, *_snapshots(store, trained_on, before), *_checkpoints(store, before)]


def versions(registry: Registry, now: Pointers, before: float) -> list[Standing]:
    """Every version of a model, also what is left of one; ``now`` are the registry's pointers."""
    decisions, needs = list(registry.decisions()), dict[str, list[str]]()
    for version, why in needed(registry, now):
        needs.setdefault(version, []).append(why)
    decided = {
        version: _seconds(one.at)
        for one in decisions
        for version in (one.version, one.replaced)
        if version
    }
    found = []
    for key, (size, written) in _folders(
        registry.store.scan(keys.versions(registry.name)), depth=4
    ).items():
        name = key.rpartition("/")[2]
        young = _young(max(written, decided.get(name, 0.0)), before)
        found.append(Standing("version", key, size, (*needs.get(name, ()), *young)))
    return found


def needed(registry: Registry, now: Pointers) -> Iterator[tuple[str, str]]:
    """Every version of a model that something needs, with what does."""
    serving = registry.serving()
    roles = {
        "champion": now.champion,
        "previous": now.previous,
        "anchor": now.anchor,
        "anchor before": now.anchor_before,
    }
    for role, pointer in {**roles, "serving": serving}.items():
        if pointer is not None:
            yield pointer.version, role
    for asked in requests(registry):
        if asked.answer is None:
            yield (
                asked.request.verdict.challenger,
                f"waits for approval, run {asked.request.run_id}",
            )
    for version in _on_their_way(registry.decisions(), serving):
        yield version, "a rollout may bring it to the traffic"


def _on_their_way(decisions: Iterable[Decision], serving: Pointer | None) -> set[str]:
    """Champions since what serves was last made champion.

    One of them may be halfway to the traffic.
    """
    if serving is None:
        return set()
    crowned = [one.version for one in decisions if one.action not in ("reject", "anchor")]
    since = len(crowned) - crowned[::-1].index(serving.version) if serving.version in crowned else 0
    return set(crowned[since:])


def _snapshots(store: Store, trained_on: dict[str, list[str]], before: float) -> Iterator[Standing]:
    """Without its snapshot a model can't be traced to its rows.

    A night without one only takes longer.
    """
    entries = list(store.scan("snapshots"))
    written = {entry.key: entry.modified for entry in entries}
    for key, (size, modified) in _folders(entries, depth=3).items():
        _, source_id, snapshot_id = key.split("/")
        if _SNAPSHOT.fullmatch(snapshot_id):
            # Reading a source writes the index, also where the snapshot stands already.
            used = max(modified, written.get(keys.snapshot_index(source_id, snapshot_id), 0.0))
            accepted = (
                ("the last accepted one",) if _accepted(store, source_id) == snapshot_id else ()
            )
            yield Standing(
                "snapshot",
                key,
                size,
                (*accepted, *trained_on.get(snapshot_id, ()), *_young(used, before)),
            )


def _checkpoints(store: Store, before: float) -> Iterator[Standing]:
    for key, (size, written) in _folders(store.scan("checkpoints"), depth=2).items():
        yield Standing("checkpoint", key, size, _young(written, before))


def _folders(entries: Iterable[Entry], depth: int) -> dict[str, tuple[int, float]]:
    """Bytes, and when it was last written, of every folder at a depth of the store."""
    found: dict[str, tuple[int, float]] = {}
    for entry in entries:
        parts = entry.key.split("/")
        if len(parts) > depth:
            key = "/".join(parts[:depth])
            size, written = found.get(key, (0, 0.0))
            found[key] = size + entry.bytes, max(written, entry.modified)
    return found


def _young(used: float, before: float) -> tuple[str, ...]:
    return (
        (f"used on {datetime.fromtimestamp(used, timezone.utc):%Y-%m-%d}",)
        if used >= before
        else ()
    )


def _accepted(store: Store, source_id: str) -> str | None:
    key = keys.accepted_snapshot(source_id)
    accepted = read_record(AcceptedSnapshot, store.read(key), key)
    return accepted.snapshot_id if accepted else None


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
