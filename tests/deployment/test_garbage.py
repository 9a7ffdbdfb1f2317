"""What nothing needs leaves the store, and nothing else does.

Beside promotions, after kills, on a disk, on gs:// and on s3://.
"""

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from components.deployment.registry.approval import approve, ask, requests
from components.deployment.registry.garbage import LIFTING, REMOVING, collect, collect_versions
from components.deployment.registry.registry import Registry
from components.deployment.registry.retention import survey
from components.shared.errors import ConflictError, EnvironmentProblem
from components.shared.records import ApprovalRequest, Condemned
from components.shared.run_plan import Pointer
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.deployment.builders import (
    Killed,
    check_opens,
    dying_store,
    signed,
    tree,
    verdict_on,
    write_model,
)
from tests.deployment.racing import race

EPOCH = 0.0  # everything was used since then
AT = datetime(2026, 11, 21, tzinfo=timezone.utc)


def at(time_passed=timedelta(0)):
    return lambda: AT + time_passed


def later():
    """Nothing was used since then."""
    return time.time() + 3600


@pytest.fixture
def models(tmp_path):
    return [
        write_model(tmp_path / f"model-{night}", b"weights %d" % night).version
        for night in range(6)
    ]


def nights(store, tmp_path, models, champions=4):
    """Champions, one after the other, and the last model waits for approval."""
    registry = Registry(store, "small")
    for night in (*range(champions), 5):
        version, now = models[night], registry.pointers()
        against = [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]
        if night < champions:
            registry.promote(
                tmp_path / f"model-{night}",
                f"run-{night}",
                verdict_on(version, *against),
                signed("gate"),
            )
        else:
            registry.put(tmp_path / f"model-{night}", version)
            ask(
                registry,
                f"run-{night}",
                verdict_on(version, *against, word="needs-approval"),
                signed().at,
            )
    return registry


def reasons(store, before):
    return {standing.name: standing.kept_for for standing in survey(store, before)}


def test_what_is_needed_stays_and_says_what_for(place, tmp_path, models):
    store = open_store(place())
    registry = nights(store, tmp_path, models)
    assert reasons(store, later()) == {
        models[0]: ("anchor",),
        models[1]: (),
        models[2]: ("previous",),
        models[3]: ("champion",),
        models[5]: ("waits for approval, run run-5",),
    }
    assert collect(store, EPOCH) == []
    assert registry.has(models[1]), "it is young"
    removed = collect(store, later(), at())
    assert [(standing.kind, standing.name, standing.bytes > 0) for standing in removed] == [
        ("version", models[1], True)
    ]
    assert registry.versions() == sorted({*models[:4], models[5]} - {models[1]})
    check_opens(store.uri, tmp_path / "cache")
    approve(registry, requests(registry)[0].request, signed())
    assert registry.pointers().champion.version == models[5]


def test_what_serves_and_what_may_be_on_its_way_stays(place, tmp_path, models):
    store = open_store(place())
    registry = nights(store, tmp_path, models, champions=5)
    registry.record_serving(Pointer(models[1], "run-1", "then"), signed("rollout"))
    found = reasons(store, later())
    assert found[models[1]] == ("serving",)
    assert found[models[2]] == ("a rollout may bring it to the traffic",)
    assert collect(store, later(), at()) == []
    registry.record_serving(Pointer(models[4], "run-4", "now"), signed("rollout"))
    assert {standing.name for standing in collect(store, later(), at())} == {models[1], models[2]}


def test_killed_before_any_write_a_rerun_completes(place, tmp_path, models):
    calm = dying_store(place("calm"))
    nights(calm, tmp_path, models)
    before = calm.writes
    assert len(collect(calm, later(), at())) == 1
    writes, expected = calm.writes - before, tree(calm.uri)
    assert writes >= 2
    for kill in range(writes):
        uri = place(f"killed-{kill}")
        nights(open_store(uri), tmp_path, models)
        with pytest.raises(Killed):
            collect(dying_store(uri, kill), later(), at())
        now = check_opens(uri, tmp_path / "cache" / f"{kill}")
        assert now.champion.version == models[3]
        assert [one.version for one in now.condemned] == ([models[1]] if kill else [])
        collect(open_store(uri), later(), at())
        assert tree(uri) == expected, f"killed before write {kill}"


def test_a_condemned_version_is_refused_until_a_later_collection_lifts_the_mark(
    place, tmp_path, models
):
    store = open_store(place())
    registry = nights(store, tmp_path, models)
    collect_versions(registry, later(), at())
    again = verdict_on(models[1], models[3], models[0])
    for refused in (
        lambda: registry.promote(tmp_path / "model-1", "run-9", again, signed("gate")),
        lambda: registry.put(tmp_path / "model-1", models[1]),
        lambda: approve(registry, ApprovalRequest("run-9", again, "now", 99), signed()),
    ):
        before = tree(store.uri)
        with pytest.raises(
            ConflictError,
            match=(
                f"condemned {models[1]} on 2026-11-21.*an hour after that `emotion models gc"
                " --delete`"
            ),
        ):
            refused()
        assert tree(store.uri) == before
    collect_versions(registry, later(), at(LIFTING / 2))
    assert [one.version for one in registry.pointers().condemned] == [models[1]]
    collect_versions(registry, later(), at(LIFTING))
    assert registry.pointers().condemned == ()
    registry.promote(tmp_path / "model-1", "run-9", again, signed("gate"))
    assert check_opens(store.uri, tmp_path / "cache").champion.version == models[1]


def test_a_collection_that_was_held_up_removes_nothing_more(place, tmp_path, models):
    store = open_store(place())
    registry = nights(store, tmp_path, models, champions=5)
    moments = iter([AT, AT + REMOVING, AT + REMOVING + timedelta(seconds=1)])
    with pytest.raises(EnvironmentProblem, match="takes too long; to fix it: run it again"):
        collect_versions(registry, later(), lambda: next(moments))
    assert len(registry.versions()) == 5
    assert len(collect_versions(registry, later(), at(LIFTING))) == 1
    assert len(registry.versions()) == 4


def test_a_request_that_comes_while_it_is_condemned_spares_the_version(place, tmp_path, models):
    """Whoever asks either sees the mark or is seen."""
    uri = place()
    nights(open_store(uri), tmp_path, models)
    request = verdict_on(models[1], models[3], models[0], word="needs-approval")

    class Overtaken(type(open_store(uri))):
        def compare_and_set(self, key, expected, content):
            if key == keys.pointers("small") and b'"condemned": [' in content:
                ask(Registry(open_store(uri), "small"), "run-9", request, signed().at)
            super().compare_and_set(key, expected, content)

    overtaken = Overtaken(uri if "://" in uri else Path(uri))
    assert collect(overtaken, later(), at()) == []
    registry = Registry(open_store(uri), "small")
    assert Condemned(models[1], "2026-11-21T00:00:00.000+00:00") in registry.pointers().condemned
    assert registry.has(models[1])
    assert collect(open_store(uri), later(), at(LIFTING)) == []
    assert registry.pointers().condemned == ()
    assert registry.has(models[1])


def test_a_promotion_that_is_quicker_keeps_its_version(place, tmp_path, models):
    uri = place()
    nights(open_store(uri), tmp_path, models)

    class Slow(type(open_store(uri))):
        raced = False

        def compare_and_set(self, key, expected, content):
            if key == keys.pointers("small") and not self.raced:
                self.raced = True
                Registry(open_store(uri), "small").reinstate(models[1], signed())
            super().compare_and_set(key, expected, content)

    removed = collect(Slow(uri if "://" in uri else Path(uri)), later(), at())
    assert {standing.name for standing in removed} == {models[2]}
    assert check_opens(uri, tmp_path / "cache").champion.version == models[1]


@pytest.mark.parametrize(
    "server",
    ["disk", "gs", pytest.param("s3", marks=pytest.mark.slow)],
    indirect=True,
    scope="module",
)
def test_collections_and_promotions_at_once_leave_every_pointer_whole(place, tmp_path, models):
    """Each process either makes a former champion champion again, or collects garbage."""
    uri = place()
    nights(open_store(uri), tmp_path, models)

    def act(index):
        if index % 2:
            collect(open_store(uri), later())
        else:
            Registry(open_store(uri), "small").reinstate(models[index // 2], signed())

    answers = race(act, uri, 8)
    now = check_opens(uri, tmp_path / "cache")
    refusals = ("has condemned", "unknown version", "no longer in the registry")
    assert all(
        answer == "done" or any(words in answer for words in refusals) for answer in answers
    ), answers
    registry = Registry(open_store(uri), "small")
    assert {one.version for one in now.condemned}.isdisjoint(
        {now.champion.version, now.previous.version, now.anchor.version}
    )
    assert registry.has(models[5]), "it waits for approval"


def snapshot(store, source, digit, rows=b"rows"):
    key = keys.snapshot(source, digit * 64)
    store.write(f"{key}/images-0.parquet", rows)
    store.write(f"{key}/snapshot.json", b"{}")
    store.write(keys.snapshot_index(source, digit * 64), b"index")


def test_snapshots_stay_while_something_was_made_of_them(place, tmp_path, models):
    store = open_store(place())
    nights(store, tmp_path, models)
    for digit in "abc":
        snapshot(store, "faces", digit)
    trained_on = Registry(store, "small").manifest(models[3]).snapshot_id
    store.write(f"snapshots/faces/{trained_on}/snapshot.json", b"{}")
    store.write(f"snapshots/faces/{'d' * 64}/images-0.parquet", b"half of one")
    store.write(keys.accepted_snapshot("faces"), json.dumps({"snapshot_id": "a" * 64}).encode())
    store.write(keys.overlay("faces", "tombstones"), b"kept")
    store.write(f"{keys.checkpoint('e' * 64)}/checkpoint.npz", b"weights")
    assert collect(store, EPOCH) == []
    found = reasons(store, later())
    assert found["a" * 64] == ("the last accepted one",)
    assert {name for name in found if not found[name]} == {
        models[1],
        *(digit * 64 for digit in "bcde"),
    }
    collect(store, later(), at())
    left = {key for key in store.list("") if key.startswith(("snapshots", "checkpoints"))}
    assert left == {
        f"snapshots/faces/{'a' * 64}/images-0.parquet",
        f"snapshots/faces/{'a' * 64}/snapshot.json",
        keys.snapshot_index("faces", "a" * 64),
        keys.accepted_snapshot("faces"),
        keys.overlay("faces", "tombstones"),
    } | ({f"snapshots/faces/{trained_on}/snapshot.json"} if len(trained_on) == 64 else set())


def test_a_store_of_an_earlier_layout_keeps_what_its_single_pointers_name(place, tmp_path, models):
    store = open_store(place())
    registry = Registry(store, "small")
    for night in range(3):
        registry.put(tmp_path / f"model-{night}", models[night])
    for role, version in (("champion", models[0]), ("anchor", models[1])):
        store.write(
            keys.pointer("small", role), to_json(Pointer(version, "run-0", "then")).encode()
        )
    assert (registry.pointers().champion.version, registry.pointers().previous) == (models[0], None)
    assert [standing.name for standing in collect(store, later(), at())] == [models[2]]
    registry.promote(
        tmp_path / "model-3", "run-3", verdict_on(models[3], models[0], models[1]), signed("gate")
    )
    now = check_opens(store.uri, tmp_path / "cache")
    assert [pointer.version for pointer in (now.champion, now.previous, now.anchor)] == [
        models[3],
        models[0],
        models[1],
    ]
    store.delete(keys.pointer("small", "champion"))
    assert registry.pointers() == now, "from its first change on, the document alone counts"
