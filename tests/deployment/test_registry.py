from dataclasses import replace

import pytest

from components.contracts import layout
from components.contracts.artifacts import verified_model
from components.contracts.codec import to_pretty_json
from components.contracts.errors import ConflictError
from components.contracts.night import Pointer
from components.deployment.registry import Registry
from components.runtime.disk_store import DiskStore
from tests.deployment.builders import DyingStore, Killed, tree, write_model

NIGHTS = ("run-1", "run-2", "run-3")


@pytest.fixture
def models(tmp_path):
    return {run: (tmp_path / run, write_model(tmp_path / run, run.encode() * 50).version) for run in NIGHTS}


def promote(store, models, run, judged, since="2026-11-21T00:00:00+00:00"):
    folder, version = models[run]
    return Registry(store, "small").promote(folder, Pointer(version, run, since), judged)


def test_pointers_over_three_nights(tmp_path, models):
    store = DiskStore(tmp_path / "store")
    judged = None
    for run in NIGHTS:
        judged = promote(store, models, run, judged).version
    registry = Registry(store, "small")
    assert [registry.pointer(name).run_id for name in ("champion", "previous", "anchor")] == ["run-3", "run-2", "run-1"]
    for _, version in models.values():
        assert verified_model(store.get_tree(layout.version("small", version), "model.json", tmp_path)).version == version


def test_a_rerun_changes_nothing(tmp_path, models):
    store = DyingStore(tmp_path / "store")
    first = promote(store, models, "run-1", None).version
    promote(store, models, "run-2", first)
    before = tree(tmp_path / "store")
    promote(store, models, "run-2", first, since="2027-01-01T00:00:00+00:00")
    assert tree(tmp_path / "store") == before


def test_the_same_version_promoted_by_another_run_is_left_alone(tmp_path, models):
    store = DiskStore(tmp_path / "store")
    promote(store, models, "run-1", None)
    before = tree(tmp_path / "store")
    champion = Registry(store, "small").promote(models["run-1"][0], Pointer(models["run-1"][1], "run-9", "later"), None)
    assert champion.run_id == "run-1"
    assert tree(tmp_path / "store") == before


def test_a_conflict_changes_nothing(tmp_path, models):
    store = DiskStore(tmp_path / "store")
    promote(store, models, "run-1", None)
    before = tree(tmp_path / "store")
    for judged in (None, "someone-else"):
        with pytest.raises(ConflictError, match="received " + models["run-1"][1]):
            promote(store, models, "run-2", judged)
    assert tree(tmp_path / "store") == before


def test_a_champion_that_moves_meanwhile_wins(tmp_path, models):
    """Someone sets the champion between our look and our write: theirs stays."""

    class Raced(DiskStore):
        def put_tree(self, folder, key, marker):
            super().put_tree(folder, key, marker)
            self.write(layout.pointer("small", "champion"), to_pretty_json(Pointer("theirs", "x", "now")).encode())

    store = Raced(tmp_path / "store")
    with pytest.raises(ConflictError, match="changed by someone else"):
        promote(store, models, "run-1", None)
    registry = Registry(store, "small")
    assert registry.pointer("champion").version == "theirs"
    assert registry.pointer("previous") is None
    assert registry.pointer("anchor") is None


@pytest.mark.parametrize("nights", [1, 2])
def test_killed_before_any_write_a_rerun_completes(tmp_path, models, nights):
    """The registry opens with a complete champion after every kill, and ends as if nothing had happened."""

    def earlier_nights(root):
        judged = None
        for run in NIGHTS[: nights - 1]:
            judged = promote(DiskStore(root), models, run, judged).version
        return judged

    run = NIGHTS[nights - 1]
    calm = DyingStore(tmp_path / "calm")
    judged = earlier_nights(tmp_path / "calm")
    promote(calm, models, run, judged)
    assert calm.writes == 4
    for kill in range(calm.writes):
        root = tmp_path / f"killed-{kill}"
        earlier_nights(root)
        with pytest.raises(Killed):
            promote(DyingStore(root, kill), models, run, judged)
        champion = Registry(DiskStore(root), "small").pointer("champion")
        if champion is not None:
            verified_model(root.joinpath(*layout.version("small", champion.version).split("/")))
        assert champion is not None or judged is None
        promote(DiskStore(root), models, run, judged)
        assert tree(root) == tree(tmp_path / "calm"), f"killed before write {kill}"


def test_a_rerun_after_a_kill_keeps_the_time_that_the_champion_was_set(tmp_path, models):
    store = DiskStore(tmp_path / "store")
    first = promote(store, models, "run-1", None)
    with pytest.raises(Killed):
        promote(DyingStore(tmp_path / "store", 3), models, "run-2", first.version, since="early")
    assert promote(store, models, "run-2", first.version, since="late").since == "early"
    assert Registry(store, "small").pointer("previous") == replace(first)
