"""`emotion models`: the registry."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table

from components.contracts import layout
from components.runtime.store import open_store
from pipelines.commands.terminal import Store, console


def show_models(store: Store = "store") -> None:
    """List the registry: every model, its versions, and which is champion, anchor and previous."""
    registry = open_store(store)
    names = sorted({key.split("/")[1] for key in registry.list("models")})
    if not names:
        console.print(f"no models in {registry.uri} yet; `emotion run` makes one")
        return
    table = Table("model", "version", "is", "preset", "held-out accuracy", "labels", box=None, header_style="bold")
    for name in names:
        pointers = _pointers(registry, name)
        versions = sorted({key.split("/")[3] for key in registry.list(layout.versions(name)) if key.endswith("/model.json")})
        for version in versions:
            manifest = json.loads(registry.read(f"{layout.version(name, version)}/model.json") or b"{}")
            roles = ", ".join(role for role, current in pointers.items() if current == version)
            table.add_row(
                name,
                version,
                roles,
                manifest.get("preset", ""),
                f"{manifest.get('validation_accuracy', 0):.1%}",
                str(len(manifest.get("labels", []))),
            )
    console.print(table)


def _pointers(registry: Any, name: str) -> dict[str, str]:
    pointers = {}
    for role in ("champion", "anchor", "previous"):
        content = registry.read(layout.pointer(name, role))
        if content is not None:
            pointers[role] = json.loads(content)["version"]
    return pointers
