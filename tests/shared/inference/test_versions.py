"""The night plan and the versions it names, from the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.errors import ContractError
from components.shared.inference.versions import night_plan, version_folder
from components.shared.serialization import digest, to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.models import night, stripe_weights, write_model


def test_plan_and_version_come_back(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    manifest = write_model(tmp_path / "model", stripe_weights())
    store.put_tree(tmp_path / "model", keys.version("small", manifest.version), "model.json")
    plan = night(champion=manifest.version)
    store.write(keys.plan(digest(plan)), to_json(plan).encode())
    assert night_plan(store, digest(plan)) == plan
    assert (
        version_folder(store, "small", manifest.version, tmp_path / "cache") / "model.json"
    ).is_file()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(ContractError, match=r"no night plan .*plans/beef\.json"):
        night_plan(store, "beef")
    with pytest.raises(ContractError, match="versions/cafe is missing or incomplete"):
        version_folder(store, "small", "cafe", tmp_path / "cache")
