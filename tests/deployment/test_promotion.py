from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.deployment.registry.promotion import (
    Signed,
    approved,
    mended,
    promoted,
    reinstated,
    rejected,
    require_word,
    rolled_back,
    served,
    withdrawn,
)
from components.shared.errors import ConflictError, ContractError, InputError
from components.shared.records import Pointers
from components.shared.run_plan import Pointer
from tests.deployment.builders import signed, verdict_on, write_model, write_verdict

OLD = Pointer("old", "run-1", "2026-11-20T00:00:00+00:00")
BEST = Pointer("best", "run-0", "2026-11-19T00:00:00+00:00")
NOW = Pointers(champion=OLD, previous=BEST, anchor=BEST)


def test_a_rollback_to_what_never_served_leaves_no_anchor() -> None:
    """The champion becomes the anchor once a rollout has brought it all of the traffic."""
    first = promoted(
        Pointers(), verdict_on("old", None, None), "run-1", signed(), awaits_rollout=True
    )
    second = promoted(first, verdict_on("new", "old", None), "run-2", signed(), awaits_rollout=True)
    standing = served(second, "new", signed())
    assert standing.anchor is not None
    assert standing.anchor.version == "new"
    now = rolled_back(standing, signed(), serving=standing.champion)
    assert (now.champion and now.champion.version, now.anchor) == ("old", None)
    assert now.anchor_candidate == now.champion
    again = served(now, "old", signed())
    assert again.anchor is not None
    assert again.anchor.version == "old"


def test_the_judged_champion_is_replaced_and_the_anchor_stays():
    now = promoted(NOW, verdict_on("new", "old", "best"), "run-2", signed("gate"))
    assert (now.champion, now.previous, now.anchor) == (
        Pointer("new", "run-2", signed().at),
        OLD,
        BEST,
    )
    assert (now.decision.number, now.decision.action, now.decision.replaced, now.decision.by) == (
        1,
        "promote",
        "old",
        "gate",
    )
    assert now.revision == NOW.revision + 1


def test_the_first_model_is_the_anchor_too():
    now = promoted(Pointers(), verdict_on("new"), "run-1", signed())
    assert now.champion == now.anchor == Pointer("new", "run-1", signed().at)
    assert now.previous is None


def test_the_anchor_rises_on_a_claim_of_superiority_only():
    assert promoted(NOW, verdict_on("new", "old", "best"), "run-2", signed()).anchor == BEST
    assert (
        promoted(NOW, verdict_on("new", "old", "best", better=True), "run-2", signed()).anchor
        == BEST
    )
    assert (
        promoted(
            NOW, verdict_on("new", "old", "best", better_than_anchor=True), "run-2", signed()
        ).anchor.version
        == "new"
    )


@pytest.mark.parametrize(
    ("now", "champion", "anchor", "message"),
    [
        (
            NOW,
            "other",
            "best",
            (
                "the champion is not the one .* expected other; received old, since .* by run"
                " run-1; .*run again"
            ),
        ),
        (NOW, None, "best", "the champion .* expected no champion; received old"),
        (Pointers(), "old", None, "the champion .* expected old; received no champion"),
        (NOW, "old", "other", "the anchor is not the one .* expected other; received best"),
        (
            replace(NOW, withdrawn=("new",)),
            "old",
            "best",
            "new was rolled back.*models promote new",
        ),
    ],
)
def test_a_promotion_that_does_not_hold_any_more_is_a_conflict(now, champion, anchor, message):
    with pytest.raises(ConflictError, match=message):
        promoted(now, verdict_on("new", champion, anchor), "run-2", signed())


def test_a_version_that_is_champion_already_stays_so():
    now = promoted(NOW, verdict_on("new", "old", "best"), "run-2", signed())
    assert promoted(now, verdict_on("new", "old", "best"), "run-2", signed(at="later")) == now
    assert promoted(now, verdict_on("new", "old", "best"), "run-3", signed(at="later")) == now


def test_a_rollback_brings_the_previous_champion_back_and_withdraws_the_other():
    before = promoted(
        NOW, verdict_on("new", "old", "best", better_than_anchor=True), "run-2", signed()
    )
    now = rolled_back(before, signed("ada", "5xx in the shop", "later"))
    assert now.champion == replace(OLD, since="later")
    assert (now.previous, now.anchor, now.withdrawn) == (
        None,
        BEST,
        ("new",),
    )  # what was sent back is no anchor
    assert (
        now.decision.number,
        now.decision.action,
        now.decision.version,
        now.decision.replaced,
    ) == (2, "rollback", "old", "new")
    with pytest.raises(
        InputError,
        match=(
            "no previous champion .*received old is champion since later; .*models promote VERSION"
        ),
    ):
        rolled_back(now, signed())
    with pytest.raises(ConflictError, match="new was rolled back"):
        promoted(now, verdict_on("new", "old", "best"), "run-9", signed())


def test_what_was_rolled_back_a_person_may_bring_back():
    now = rolled_back(promoted(NOW, verdict_on("new", "old", "best"), "run-2", signed()), signed())
    again = reinstated(now, "new", "run-2", signed("ada", "it was the network", "later"))
    assert (again.champion, again.previous.version, again.withdrawn) == (
        Pointer("new", "run-2", "later"),
        "old",
        (),
    )
    assert reinstated(again, "new", "run-2", signed()) == again
    assert approved(now, verdict_on("new", "old", "best"), "run-3", signed()).withdrawn == ()


def test_a_rejection_moves_no_pointer():
    now = rejected(NOW, verdict_on("new", "old", "best"), "run-2", signed("ada", "blurred faces"))
    assert replace(now, decision=None, revision=NOW.revision) == NOW
    assert (now.decision.action, now.decision.version, now.decision.why) == (
        "reject",
        "new",
        "blurred faces",
    )


@pytest.mark.parametrize(
    ("by", "why", "message"), [("", "x", "who takes it.*--by"), ("ada", " ", "why.*--why")]
)
def test_a_decision_has_a_name_and_a_reason(by, why, message):
    with pytest.raises(InputError, match=message):
        Signed(by, why, "now")


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "promote",
                "roll-out",
                "approve",
                "reject",
                "rollback",
                "reinstate",
                "serve",
                "withdraw",
            ]
        ),
        st.sampled_from("abcd"),
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)


@given(ACTIONS)
def test_whatever_happens_no_decision_is_skipped_and_the_anchor_only_rises_on_a_claim(actions):
    now = Pointers()
    for action, version, stale, better in actions:
        champion = None if stale or now.champion is None else now.champion.version
        verdict = verdict_on(
            version, champion, now.anchor.version if now.anchor else None, better_than_anchor=better
        )
        changes = {
            "promote": lambda now, verdict=verdict: promoted(now, verdict, "run", signed()),
            "roll-out": lambda now, verdict=verdict: promoted(
                now, verdict, "run", signed(), awaits_rollout=True
            ),
            "serve": lambda now, version=version: served(now, version, signed()),
            "withdraw": lambda now, version=version: withdrawn(
                now, version, now.previous, signed()
            ),
            "approve": lambda now, verdict=verdict: approved(now, verdict, "run", signed()),
            "reject": lambda now, verdict=verdict: rejected(now, verdict, "run", signed()),
            "rollback": lambda now: rolled_back(now, signed()),
            "reinstate": lambda now, version=version: reinstated(now, version, "run", signed()),
        }
        try:
            new = changes[action](now)
        except (ConflictError, InputError):
            continue
        if new == now:
            continue
        assert new.revision == now.revision + 1
        assert new.decision.number == (now.decision.number if now.decision else 0) + 1
        if new.anchor != now.anchor and action in ("promote", "approve"):
            assert better or now.anchor is None
            assert new.anchor.version == new.champion.version == version
        elif new.anchor != now.anchor:
            assert action in ("serve", "rollback", "withdraw")
            assert action != "serve" or new.anchor == now.anchor_candidate
            assert action == "serve" or now.anchor.version in new.withdrawn
        if now.champion is not None and (
            new.champion is None or new.champion.version != now.champion.version
        ):
            assert new.decision.replaced == now.champion.version
            assert action in ("rollback", "withdraw") or new.previous == now.champion
        if action in ("promote", "roll-out"):
            assert version not in now.withdrawn
        for pointer in (new.champion, new.anchor, new.anchor_candidate):
            assert pointer is None or pointer.version not in new.withdrawn
        assert new.anchor_candidate is None or new.anchor_candidate.version == new.champion.version
        assert new.mended() == new
        now = new


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"word": "rejected", "reasons": ("recall of fear fell",)},
            "expected the verdict blessed; received rejected.*recall of fear fell",
        ),
        ({"word": "needs-approval"}, "received needs-approval"),
        ({"challenger": "0" * 12}, "another version"),
        ({"model_name": "large"}, "different models; expected small; received verdict on large"),
    ],
)
def test_only_a_blessing_of_this_very_version_deploys(tmp_path, changes, message):
    manifest = write_model(tmp_path / "model", b"weights")
    verdict = write_verdict(
        tmp_path / "verdict", **{"challenger": manifest.version, "champion": None, **changes}
    )
    with pytest.raises(ContractError, match=message):
        require_word("blessed", verdict, manifest, "small")


def test_where_a_cluster_serves_a_version_is_the_anchor_once_it_has_the_traffic():
    verdict = verdict_on("new", "old", "best", better_than_anchor=True)
    waiting = promoted(NOW, verdict, "run-2", signed(), awaits_rollout=True)
    assert (waiting.champion.version, waiting.anchor, waiting.anchor_candidate) == (
        "new",
        BEST,
        waiting.champion,
    )
    assert served(waiting, "old", signed()) == waiting
    now = served(waiting, "new", signed("rollout", "it has all of the traffic", "later"))
    assert (now.anchor, now.anchor_before, now.anchor_candidate) == (waiting.champion, BEST, None)
    assert (now.decision.action, now.decision.version, now.decision.by) == (
        "anchor",
        "new",
        "rollout",
    )
    assert served(now, "new", signed()) == now


def test_what_a_rollout_sends_back_never_becomes_the_anchor():
    verdict = verdict_on("new", "old", "best", better_than_anchor=True)
    now = withdrawn(
        promoted(NOW, verdict, "run-2", signed(), awaits_rollout=True),
        "new",
        OLD,
        signed("rollout"),
    )
    assert (now.champion.version, now.anchor, now.anchor_candidate) == ("old", BEST, None)
    assert served(now, "new", signed()) == now
    first = withdrawn(
        promoted(Pointers(), verdict_on("new"), "run-1", signed(), awaits_rollout=True),
        "new",
        None,
        signed("rollout"),
    )
    assert (first.champion, first.anchor) == (None, None)


def test_an_anchor_that_an_earlier_code_left_standing_is_mended_with_a_word():
    before = Pointers(champion=OLD, anchor=BEST, withdrawn=("best",))
    now = mended(before, "later")
    assert (now.anchor, now.decision.action, now.decision.version, now.decision.by) == (
        OLD,
        "anchor",
        "old",
        "registry",
    )
    assert now.decision.why == "best was sent back and can't be the anchor; old is"
    assert mended(now, "later") == now
    none = mended(Pointers(anchor=BEST, withdrawn=("best",)), "later")
    assert (none.anchor, none.decision.why) == (
        None,
        "best was sent back and can't be the anchor; none is",
    )
