"""When a night is worth training, in words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.resolve.listing_changes import difference, packed
from components.ingestion.resolve.policy import Circumstances, decide
from components.ingestion.sources.storage.storage import Entry
from components.shared.errors import InputError
from components.shared.preset import RetrainPolicy
from components.shared.records import DriftRecord, JudgedRun, Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import to_json
from components.shared.store import keys
from tests.ingestion.support import Bench, as_folder, bench, class_folders, face

LAST = JudgedRun(
    "f0", "r0", "rejected", "l0", "p0", "c0", objects=1000, at="2026-11-01T02:00:00+00:00"
)
SAME = JudgedRun("f0", listing_digest="l0", preset_digest="p0", code_version="c0", objects=1000)
GROWN = replace(SAME, fingerprint="f1", listing_digest="l1", objects=1020)
BY_COUNT = RetrainPolicy(changed_objects=50)
BY_SHARE = RetrainPolicy(changed_objects=None, changed_share=0.05)


@pytest.mark.parametrize(
    ("policy", "changed", "worth"),
    [
        (BY_COUNT, 49, False),
        (BY_COUNT, 50, True),
        (BY_SHARE, 49, False),
        (BY_SHARE, 50, True),
        (RetrainPolicy(changed_objects=200, changed_share=0.05), 60, True),
        (RetrainPolicy(40, 0.5), 60, True),
        (RetrainPolicy(changed_objects=None), 900, False),
        (BY_COUNT, None, True),
        (RetrainPolicy(), None, True),
    ],
)
def test_new_data_by_count_or_share(
    policy: RetrainPolicy, changed: int | None, worth: bool
) -> None:
    assert (
        decide(GROWN, LAST, force=False, policy=policy, around=Circumstances(changed=changed))[0]
        is worth
    )


def test_what_is_too_little_is_said_with_what_is_waited_for() -> None:
    policy = RetrainPolicy(changed_objects=50, changed_share=0.1, code=False)
    tonight = replace(GROWN, code_version="c1")
    found = decide(tonight, LAST, force=False, policy=policy, around=Circumstances(changed=20))
    assert found == (
        False,
        (
            "the source changed (20 objects came, changed or went; 1,020 objects now, 1,000 before)"
            " and the code changed since run r0, which ended rejected; the preset waits for 50"
            " changed objects or 10.0% of them"
        ),
    )
    forced, reason = decide(
        tonight, LAST, force=True, policy=policy, around=Circumstances(changed=20)
    )
    assert forced
    assert reason.startswith("forced, though less than the preset waits for changed since run r0")


@pytest.mark.parametrize("which", ["code", "preset"])
def test_other_code_or_preset(which: str) -> None:
    tonight = replace(
        SAME,
        fingerprint="f1",
        **{"code": {"code_version": "c1"}, "preset": {"preset_digest": "p1"}}[which],
    )
    assert decide(tonight, LAST, force=False) == (
        True,
        f"the {which} changed since run r0, which ended rejected",
    )
    quiet = replace(RetrainPolicy(changed_objects=None), **{which: False})
    assert decide(tonight, LAST, force=False, policy=quiet)[1].endswith(
        "; the preset waits for other changes than of the source"
    )
    assert not decide(tonight, LAST, force=False, policy=quiet)[0]


def test_what_people_decided_always_counts() -> None:
    policy = RetrainPolicy(changed_objects=50, code=False, preset=False)
    worth, reason = decide(
        GROWN, LAST, force=False, policy=policy, around=Circumstances(changed=1, decided=True)
    )
    assert worth
    assert reason == "labels or tombstones changed since run r0, which ended rejected"


def test_drift_makes_work_though_nothing_changed() -> None:
    around = Circumstances(drift="brightness moved by 0.31, above 0.1")
    assert decide(SAME, LAST, force=False, around=around) == (
        True,
        (
            "what is served drifted (brightness moved by 0.31, above 0.1), though nothing changed"
            " since run r0, which ended rejected"
        ),
    )
    assert not decide(SAME, LAST, force=False, around=around, policy=RetrainPolicy(drift=False))[0]


@pytest.mark.parametrize(
    ("champion", "judged", "worth"),
    [(31, 31, True), (31, None, True), (29, 31, False), (31, 2, False), (None, 99, False)],
)
def test_an_old_champion_is_challenged_once_in_its_age(
    champion: float | None, judged: float | None, worth: bool
) -> None:
    """Without the second bound a challenger that lost would be trained again every night."""
    around = Circumstances(champion_days=champion, judged_days=judged)
    assert (
        decide(SAME, LAST, force=False, policy=RetrainPolicy(champion_age_days=30), around=around)[
            0
        ]
        is worth
    )
    assert not decide(SAME, LAST, force=False, around=around)[0]


@given(
    st.integers(0, 2000),
    st.integers(1, 500),
    st.floats(0.001, 1.0),
    st.booleans(),
    st.booleans(),
)
def test_more_change_never_makes_less_work(
    changed: int, count: int, share: float, code: bool, preset: bool
) -> None:
    policy = RetrainPolicy(changed_objects=count, changed_share=share, code=code, preset=preset)
    less = decide(GROWN, LAST, force=False, policy=policy, around=Circumstances(changed=changed))[0]
    assert (
        decide(GROWN, LAST, force=False, policy=policy, around=Circumstances(changed=changed + 1))[
            0
        ]
        >= less
    )
    assert decide(GROWN, LAST, force=False)[0]  # by default any change is enough
    assert decide(GROWN, LAST, force=True, policy=policy, around=Circumstances(changed=changed))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"changed_objects": 0},
        {"changed_share": 0.0},
        {"changed_share": 1.5},
        {"champion_age_days": 0.0},
    ],
)
def test_a_policy_checks_itself(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"retraining\.\w+ is out of range"):
        RetrainPolicy(**wrong)  # type: ignore[arg-type]


NAMES = st.dictionaries(st.text("abcü/", min_size=1, max_size=4), st.integers(0, 3), max_size=12)


@given(NAMES, NAMES)
def test_objects_that_came_changed_or_went(before: dict[str, int], now: dict[str, int]) -> None:
    def content(objects: dict[str, int]) -> bytes:
        return packed(Entry(f"{name}x.png", size, "") for name, size in objects.items())

    expected = sum(before.get(name) != now.get(name) for name in before.keys() | now.keys())
    assert difference(content(before), content(now)) == expected
    assert difference(content(now), content(before)) == expected


def test_what_is_no_image_counts_only_where_there_is_none() -> None:
    notes, table = Entry("notes.txt", 1, "a"), Entry("faces.csv", 1, "b")
    assert packed(iter([notes, Entry("a.png", 1, "c")])) == packed(iter([Entry("a.png", 1, "c")]))
    assert len(packed(iter([notes, table]))) == 32


class TestNights:
    """The real step, on a folder that grows."""

    @pytest.fixture
    def night(self, tmp_path: Path) -> Bench:
        made = bench(tmp_path)
        return replace(
            made,
            preset=replace(
                made.preset, retraining=RetrainPolicy(changed_objects=3, champion_age_days=30)
            ),
        )

    def record(self, night: Bench, at: str) -> None:
        plan = night.plan()
        value = {
            "fingerprint": plan.fingerprint,
            "run_id": "r0",
            "outcome": "rejected",
            "listing_digest": plan.listing.digest,
            "preset_digest": plan.preset_digest,
            "code_version": plan.code_version,
            "objects": plan.listing.objects,
            "at": at,
        }
        night.store.write(keys.pointer("small", "last-night"), json.dumps(value).encode())

    def test_changes_add_up_until_they_are_enough(self, night: Bench, tmp_path: Path) -> None:
        folder = as_folder(tmp_path / "faces", class_folders())
        assert night.resolve(folder, run="r0") == 0
        self.record(night, datetime.now(timezone.utc).isoformat())
        for number, word in ((1, "nothing-new"), (2, "nothing-new"), (3, "new")):
            (folder / f"train/happy/more-{number}.png").write_bytes(face("happy", 100 + number))
            assert night.resolve(folder, run=f"r{number}") == 0
            assert night.output("work") == word
            assert (
                f"({number} object{'' if number == 1 else 's'} came, changed or went"
                in night.plan().reason
            )

    def test_drift_and_age_are_read_from_the_store(self, night: Bench, tmp_path: Path) -> None:
        folder = as_folder(tmp_path / "faces", class_folders())
        now = datetime.now(timezone.utc)
        night.resolve(folder, run="r0")
        self.record(night, (now - timedelta(days=40)).isoformat())
        night.store.write(
            keys.pointers("small"),
            to_json(
                Pointers(champion=Pointer("v1", "r0", (now - timedelta(days=35)).isoformat()))
            ).encode(),
        )
        night.resolve(folder, run="r1")
        assert night.plan().reason.startswith("the champion is 35 days old, and 30 are allowed")
        self.record(night, (now - timedelta(hours=2)).isoformat())
        night.resolve(folder, run="r2")
        assert night.output("work") == "nothing-new"
        for at, version, word in (
            (now, "v9", "nothing-new"),
            (now - timedelta(hours=3), "v1", "nothing-new"),
            (now, "v1", "new"),
        ):
            found = DriftRecord(
                version, "2026-11-01", at.isoformat(), drifted=True, sentence="contrast moved"
            )
            night.store.write(keys.drift("small"), to_json(found).encode())
            night.resolve(folder, run=f"r3-{at:%Y%m%dT%H%M%S}-{version}-{word}")
            assert night.output("work") == word
        assert night.plan().reason.startswith(
            "what is served drifted (contrast moved), though nothing changed since run r0"
        )
