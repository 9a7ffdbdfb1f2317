"""The registry on a disk, on gs:// and on s3://.

A strict server and moto, through the real clients.
"""

from dataclasses import replace

import pytest

from components.deployment.registry.approval import approve, ask, find, reject, requests
from components.deployment.registry.promotion import rejected
from components.deployment.registry.registry import Registry
from components.shared.errors import ConflictError, ContractError, UnknownNameError
from components.shared.records import Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import to_json, to_pretty_json
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

NIGHTS = ("run-1", "run-2", "run-3")


@pytest.fixture
def models(tmp_path):
    return {
        run: (tmp_path / run, write_model(tmp_path / run, run.encode() * 50).version)
        for run in NIGHTS
    }


def promote(store, models, run, by="gate", **judged):
    folder, version = models[run]
    registry = Registry(store, "small")
    now = registry.pointers()
    against = {
        role: pointer.version if pointer else None
        for role, pointer in (("champion", now.champion), ("anchor", now.anchor))
    }
    return registry.promote(folder, run, verdict_on(version, **{**against, **judged}), signed(by))


def test_pointers_over_three_nights(place, tmp_path, models):
    store = open_store(place())
    for run in NIGHTS:
        promote(store, models, run)
    registry = Registry(store, "small")
    now = check_opens(store.uri, tmp_path / "cache")
    assert [pointer.run_id for pointer in (now.champion, now.previous, now.anchor)] == [
        "run-3",
        "run-2",
        "run-1",
    ]
    assert registry.versions() == sorted(version for _, version in models.values())
    assert [(decision.run_id, decision.replaced) for decision in registry.decisions()] == [
        ("run-1", None),
        ("run-2", models["run-1"][1]),
        ("run-3", models["run-2"][1]),
    ]
    assert [decision.run_id for decision in registry.decisions(after=2)] == ["run-3"]


def test_a_rerun_changes_nothing(place, models):
    store = open_store(place())
    promote(store, models, "run-1")
    promote(store, models, "run-2")
    before = tree(store.uri)
    verdict = {"champion": models["run-1"][1], "anchor": models["run-1"][1]}
    promote(store, models, "run-2", **verdict)
    promote(store, {**models, "run-9": models["run-2"]}, "run-9", **verdict)
    assert tree(store.uri) == before


def test_a_conflict_changes_nothing(place, models):
    store = open_store(place())
    promote(store, models, "run-1")
    before = tree(store.uri)
    for champion in (None, "someone-else"):
        with pytest.raises(ConflictError, match="received " + models["run-1"][1]):
            promote(store, models, "run-2", champion=champion)
    assert tree(store.uri) == before


def test_a_champion_that_moves_meanwhile_wins(place, models):
    """Someone else's champion stands between our look and our write: theirs stays."""
    theirs = Pointers(champion=Pointer("theirs", "x", "now"), revision=1)

    class Raced(type(open_store(place()))):
        def put_tree(self, *arguments):
            super().put_tree(*arguments)
            self.write(keys.pointers("small"), to_pretty_json(theirs).encode())

    store = Raced(place() if "://" in place() else open_store(place()).root)
    with pytest.raises(
        ConflictError, match="not the one that this model was judged against; .*received theirs"
    ):
        promote(store, models, "run-1")
    assert Registry(store, "small").pointers() == theirs


# Killed before any write, each change of the registry is done or not done, and doing it again
# completes it.


def promotion(store, models):
    verdict = verdict_on(
        models["run-2"][1], models["run-1"][1], models["run-1"][1], better_than_anchor=True
    )
    Registry(store, "small").promote(models["run-2"][0], "run-2", verdict, signed("gate"))


def first_promotion(store, models):
    Registry(store, "small").promote(
        models["run-1"][0], "run-1", verdict_on(models["run-1"][1]), signed("gate")
    )


def registration(store, models):
    registry = Registry(store, "small")
    registry.put(models["run-3"][0], models["run-3"][1])
    ask(
        registry,
        "run-3",
        verdict_on(
            models["run-3"][1], models["run-2"][1], models["run-1"][1], word="needs-approval"
        ),
        signed().at,
    )


def approval(store, models):
    approve(Registry(store, "small"), find(Registry(store, "small"), "run-3").request, signed())


def rejection(store, models):
    reject(Registry(store, "small"), find(Registry(store, "small"), "run-3").request, signed())


def rollback(store, models):
    Registry(store, "small").rollback(signed(), models["run-2"][1])


def reinstatement(store, models):
    Registry(store, "small").reinstate(models["run-2"][1], signed())


def two_nights(store, models):
    promote(store, models, "run-1")
    promote(store, models, "run-2")


def asked(store, models):
    two_nights(store, models)
    registration(store, models)


CHANGES = {
    "first promotion": (lambda store, models: None, first_promotion),
    "promotion": (first_promotion, promotion),
    "registration": (two_nights, registration),
    "approval": (asked, approval),
    "rejection": (asked, rejection),
    "rollback": (two_nights, rollback),
    "reinstatement": (
        lambda store, models: (two_nights(store, models), rollback(store, models)),
        reinstatement,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_killed_before_any_write_a_rerun_completes(place, tmp_path, models, change):
    prepare, act = CHANGES[change]
    calm = dying_store(place(f"{change}-calm"))
    prepare(calm, models)
    before = calm.writes
    act(calm, models)
    assert calm.writes - before >= 2
    expected = tree(calm.uri)
    for kill in range(calm.writes - before):
        uri = place(f"{change}-{kill}")
        prepare(open_store(uri), models)
        standing = Registry(open_store(uri), "small").pointers()
        with pytest.raises(Killed):
            act(dying_store(uri, kill), models)
        now = check_opens(uri, tmp_path / "cache" / f"{change}-{kill}")
        assert now.champion is not None or standing.champion is None
        act(open_store(uri), models)
        assert tree(uri) == expected, f"killed before write {kill}"


def test_what_a_kill_left_unfiled_the_next_change_files(place, tmp_path, models):
    """The killed change is never run again, and still its decision isn't lost."""
    calm, uri = dying_store(place("calm")), place()
    first_promotion(open_store(calm.uri), models)
    promotion(calm, models)
    first_promotion(open_store(uri), models)
    with pytest.raises(Killed):
        promotion(dying_store(uri, calm.writes - 1), models)
    assert open_store(uri).read(keys.decision("small", 2)) is None
    assert [decision.number for decision in Registry(open_store(uri), "small").decisions()] == [
        1,
        2,
    ]
    rollback(open_store(uri), models)
    check_opens(uri, tmp_path / "cache")
    assert [decision.action for decision in Registry(open_store(uri), "small").decisions()] == [
        "promote",
        "promote",
        "rollback",
    ]


@pytest.mark.parametrize("server", ["disk", "gs", "s3"], indirect=True, scope="module")
@pytest.mark.parametrize("first", [True, False], ids=["no-champion", "champion"])
def test_sixteen_processes_promote_at_once_and_exactly_one_wins(place, tmp_path, models, first):
    uri = place("first" if first else "later")
    if not first:
        first_promotion(open_store(uri), models)
    judged = Registry(open_store(uri), "small").pointers()
    champion = judged.champion.version if judged.champion else None
    mine = [
        (
            tmp_path / f"mine-{index}",
            write_model(tmp_path / f"mine-{index}", b"m%d" % index).version,
        )
        for index in range(16)
    ]

    def act(index):
        folder, version = mine[index]
        Registry(open_store(uri), "small").promote(
            folder, f"night-{index}", verdict_on(version, champion, champion), signed()
        )

    answers = race(act, uri, 16)
    winners = [index for index, answer in enumerate(answers) if answer == "done"]
    assert len(winners) == 1, answers
    now = check_opens(uri, tmp_path / "cache")
    assert (now.champion.version, now.champion.run_id) == (
        mine[winners[0]][1],
        f"night-{winners[0]}",
    )
    assert now.previous == judged.champion
    lost = [answer for answer in answers if answer != "done"]
    assert all(
        "not the one that this model was judged against" in answer
        and now.champion.version in answer
        for answer in lost
    )
    assert len(list(Registry(open_store(uri), "small").decisions())) == (1 if first else 2)


def test_sixteen_processes_decide_at_once_and_no_decision_is_lost(place, tmp_path, models):
    uri = place()
    first_promotion(open_store(uri), models)

    def act(index):
        Registry(open_store(uri), "small").change(
            lambda now: rejected(now, verdict_on(f"v{index}"), f"run-{index}", signed())
        )

    answers = race(act, uri, 16)
    assert answers == ["done"] * 16
    check_opens(uri, tmp_path / "cache")
    decisions = list(Registry(open_store(uri), "small").decisions())
    assert [decision.number for decision in decisions] == list(range(1, 18))
    assert {decision.version for decision in decisions[1:]} == {f"v{index}" for index in range(16)}


def test_a_rollback_brings_back_the_previous_champion_and_a_rerun_of_the_step_does_not_undo_it(
    place, models
):
    store = open_store(place())
    two_nights(store, models)
    rollback(store, models)
    registry = Registry(store, "small")
    assert registry.pointers().champion.version == models["run-1"][1]
    with pytest.raises(ConflictError, match="was rolled back"):
        promote(store, models, "run-2")
    rollback(store, models)
    assert registry.pointers().champion.version == models["run-1"][1], (
        "only from the version that was named"
    )
    promote(store, models, "run-3")
    assert [
        pointer.run_id for pointer in (registry.pointers().champion, registry.pointers().previous)
    ] == ["run-3", "run-1"]


def test_a_pointer_never_moves_to_what_is_not_whole(place, models):
    store = open_store(place())
    two_nights(store, models)
    before = Registry(store, "small").pointers()
    store.delete(f"{keys.version('small', models['run-1'][1])}/model.json")
    with pytest.raises(ContractError, match="no longer in the registry, or not whole"):
        rollback(store, models)
    with pytest.raises(UnknownNameError, match="unknown version of small"):
        Registry(store, "small").reinstate(models["run-1"][1], signed())
    assert Registry(store, "small").pointers() == before


def test_only_an_earlier_champion_is_made_champion_by_hand(place, models):
    store = open_store(place())
    asked(store, models)
    with pytest.raises(ContractError, match="never a champion of small; .*models approve"):
        Registry(store, "small").reinstate(models["run-3"][1], signed())
    rejection(store, models)
    with pytest.raises(ContractError, match="never a champion"):
        Registry(store, "small").reinstate(models["run-3"][1], signed())
    now = Registry(store, "small").reinstate(models["run-1"][1], signed())
    assert (now.champion.version, now.champion.run_id, now.previous.run_id) == (
        models["run-1"][1],
        "run-1",
        "run-2",
    )


def test_one_answer_per_request(place, models):
    store = open_store(place())
    registry = Registry(store, "small")
    asked(store, models)
    (open_request,) = requests(registry)
    assert open_request.answer is None
    assert open_request.still_counts(registry.pointers())
    approval(store, models)
    assert registry.pointers().champion == Pointer(models["run-3"][1], "run-3", signed().at)
    (closed,) = requests(registry)
    assert (closed.answer.action, closed.answer.by, closed.answer.why) == (
        "approve",
        "ada",
        "looked at it",
    )
    with pytest.raises(
        ContractError, match="run run-3 was decided already; received approve by ada"
    ):
        rejection(store, models)
    before = tree(store.uri)
    approval(store, models)
    assert tree(store.uri) == before
    with pytest.raises(
        UnknownNameError, match="unknown run or version that needs approval 'run-x'"
    ):
        find(registry, "run-x")


def test_an_approval_against_another_champion_is_a_conflict(place, models):
    store = open_store(place())
    registry = Registry(store, "small")
    asked(store, models)
    rollback(store, models)
    before = tree(store.uri)
    with pytest.raises(
        ConflictError,
        match=f"expected {models['run-2'][1]}; received {models['run-1'][1]}.*run again",
    ):
        approval(store, models)
    assert tree(store.uri) == before
    assert not requests(registry)[0].still_counts(registry.pointers())


def test_a_run_that_judged_anew_asks_anew(place, models):
    store = open_store(place())
    registry = Registry(store, "small")
    asked(store, models)
    before = tree(store.uri)
    registration(store, models)
    assert tree(store.uri) == before
    rollback(store, models)
    rejection(store, models)
    version = models["run-1"][1]
    ask(
        registry,
        "run-3",
        verdict_on(models["run-3"][1], version, version, word="needs-approval"),
        "later",
    )
    (again,) = requests(registry)
    assert again.answer is None, "the earlier no was about the earlier judgement"
    assert again.still_counts(registry.pointers())


def test_what_serves_is_told_apart_from_what_is_wanted(place, models):
    store = open_store(place())
    registry = Registry(store, "small")
    two_nights(store, models)
    registry.record_serving(Pointer(models["run-1"][1], "run-1", "then"), signed("rollout"))
    registry.record_serving(Pointer(models["run-1"][1], "run-1", "later"), signed("rollout"))
    assert registry.serving() == Pointer(models["run-1"][1], "run-1", "then")
    assert registry.pointers().champion.run_id == "run-2"
    registry.record_serving(replace(registry.pointers().champion, since="later"), signed("rollout"))
    assert registry.serving().run_id == "run-2"


def test_a_store_whose_anchor_was_sent_back_is_mended_with_its_next_change(tmp_path):
    store = open_store(str(tmp_path / "store"))
    registry = Registry(store, "small")
    stale = Pointers(
        Pointer("old", "run-1", "then"),
        anchor=Pointer("bad", "run-2", "then"),
        withdrawn=("bad",),
        revision=7,
    )
    store.write(keys.pointers("small"), to_json(stale).encode())
    assert (
        registry.pointers().anchor.version == "old"
    )  # what a run compares with, before anything was written
    registry.record_serving(Pointer("old", "run-1", "now"), signed("rollout"))
    now = registry.pointers()
    assert (now.anchor.version, now.revision) == ("old", 8)
    (word,) = registry.decisions()
    assert (word.number, word.action, word.why) == (
        1,
        "anchor",
        "bad was sent back and can't be the anchor; old is",
    )
