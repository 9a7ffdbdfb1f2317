"""Where a version comes from.

From the name that a served prediction carries back to data, preset, code and evidence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from components.deployment.registry.approval import Asked, requests
from components.deployment.registry.registry import Registry, model_names
from components.shared.artifacts.contract import ModelManifest
from components.shared.errors import UnknownNameError
from components.shared.records import Decision
from components.shared.serialization import json_object
from components.shared.steps import STEPS
from components.shared.store import keys
from components.shared.store.interface import Store


@dataclass(frozen=True)
class Lineage:
    """All that the store knows about a version.

    Attributes:
        roles: champion, previous, anchor, serving; withdrawn where it was rolled back; condemned
            where garbage collection removes it.
        decisions: about it, in order. asked: requests about it, in order.
        run_id: the run that made it; empty when no decision and no request names one.
        evidence: of that run, per step, as stored JSON; empty when it was removed.
        summary: of that run, as stored JSON.
        serving_image: see `serving_image`.
    """

    model_name: str
    version: str
    location: str
    manifest: ModelManifest
    roles: tuple[str, ...]
    decisions: tuple[Decision, ...]
    asked: tuple[Asked, ...]
    run_id: str
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    serving_image: str = ""

    def findings(self, step: str) -> dict[str, Any]:
        """Return what a step of the run found; empty where that isn't known."""
        found = self.evidence.get(step, {}).get("findings")
        return found if isinstance(found, dict) else {}

    @property
    def preset(self) -> dict[str, Any]:
        """The whole preset of the run, as it was."""
        return json_object(str(self.findings("resolve").get("preset_json") or ""))


def find(store: Store, version: str, model_name: str = "") -> tuple[Registry, str]:
    """Return the registry entry that a version (also its first digits) stands in.

    Raises:
        UnknownNameError: none, or more than one.
    """
    registries = [
        Registry(store, name) for name in ([model_name] if model_name else model_names(store))
    ]
    known = [(registry, whole) for registry in registries for whole in registry.versions()]
    named = [
        (registry, whole) for registry, whole in known if version and whole.startswith(version)
    ]
    if len(named) != 1:
        raise UnknownNameError("version", version, {whole for _, whole in named or known})
    return named[0]


def trace(registry: Registry, version: str) -> Lineage:
    """Collect a version's lineage. Raises UnknownNameError when it isn't in the registry."""
    manifest = registry.manifest(version)
    decisions = tuple(decision for decision in registry.decisions() if decision.version == version)
    asked = tuple(one for one in requests(registry) if one.request.verdict.challenger == version)
    run_id = next(
        iter(
            [*(decision.run_id for decision in decisions), *(one.request.run_id for one in asked)]
        ),
        "",
    )
    evidence = (
        {step: json_object(registry.store.read(keys.evidence(run_id, step))) for step in STEPS}
        if run_id
        else {}
    )
    return Lineage(
        registry.name,
        version,
        registry.location(version),
        manifest,
        tuple(roles(registry).get(version, ())),
        decisions,
        asked,
        run_id,
        {step: value for step, value in evidence.items() if value},
        json_object(registry.store.read(f"{keys.run(run_id)}/summary.json")) if run_id else {},
        serving_image(registry, version),
    )


def record_serving_image(registry: Registry, version: str, image: str) -> None:
    """Keep the image of the predictor that a version was checked with.

    That of its latest run counts.

    An image without a tag or digest names whatever is newest, so it isn't kept.
    """
    if ":" in image.rpartition("/")[2]:
        registry.store.write(keys.serving_image(registry.name, version), image.encode())


def serving_image(registry: Registry, version: str) -> str:
    """Return the image of the predictor that a version was checked with.

    Empty where its runs named none.
    """
    return (registry.store.read(keys.serving_image(registry.name, version)) or b"").decode()


def roles(registry: Registry) -> dict[str, list[str]]:
    """Return what each version is now."""
    now = registry.pointers()
    named = {
        "champion": now.champion,
        "previous": now.previous,
        "anchor": now.anchor,
        "serving": registry.serving(),
    }
    found: dict[str, list[str]] = {}
    for role, pointer in named.items():
        if pointer is not None:
            found.setdefault(pointer.version, []).append(role)
    for version in now.withdrawn:
        found.setdefault(version, []).append("withdrawn")
    for mark in now.condemned:
        found.setdefault(mark.version, []).append("condemned")
    return found


def differences(one: Lineage, other: Lineage) -> list[tuple[str, str, str]]:
    """Return (what, in one, in the other) for all that differs.

    Data, preset, code, environments, scores, files.
    """
    ours, theirs = dict(_facts(one)), dict(_facts(other))
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [
        (name, ours.get(name, ""), theirs.get(name, ""))
        for name in names
        if ours.get(name) != theirs.get(name)
    ]


def _facts(lineage: Lineage) -> Iterator[tuple[str, str]]:
    manifest = lineage.manifest
    for name in (
        "preset",
        "snapshot_id",
        "code_version",
        "architecture",
        "parameters",
        "temperature",
        "seed",
        "validation_accuracy",
    ):
        yield name, str(getattr(manifest, name))
    yield "labels", ", ".join(manifest.labels)
    yield "run", lineage.run_id
    yield "serving image", lineage.serving_image
    yield from _flat("preset", lineage.preset)
    for name, value in lineage.findings("evaluate").get("challenger", {}).items():
        if isinstance(value, (int, float)):
            yield f"test {name}", f"{value:.6g}"
    for step, evidence in lineage.evidence.items():
        for name, value in evidence.get("environment", {}).items():
            yield f"{step} {name}", str(value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}", item)
    else:
        yield name, json.dumps(value, ensure_ascii=False)
