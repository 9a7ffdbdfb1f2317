"""The night plan, and the model versions that it names, fetched from the store."""

from __future__ import annotations

from pathlib import Path

from components.shared.artifacts.contract import MARKERS
from components.shared.errors import ContractError
from components.shared.run_plan import NightPlan
from components.shared.serialization import from_json
from components.shared.store import keys
from components.shared.store.interface import Store


def night_plan(store: Store, digest: str) -> NightPlan:
    """Return the plan with this digest. Raises ContractError when the store has none."""
    key = keys.plan(digest)
    content = store.read(key)
    if content is None:
        raise ContractError(
            f"the store has no night plan {store.location(key)}",
            fix="pass the digest that resolve wrote, and the same --store",
        )
    return from_json(NightPlan, content, "night plan")


def version_folder(store: Store, model_name: str, version: str, cache: Path) -> Path:
    """Return a local folder with the model artifact of a version.

    Raises ContractError when the store has no complete one.
    """
    return store.get_tree(keys.version(model_name, version), MARKERS["model"], cache)
