"""Any schedule of faults and kills, and any quality of the versions.

Serving is never unproven, registry and traffic agree at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.shared.errors import ConflictError, EnvironmentProblem
from tests.deployment.rollout.kserve import Behaviour
from tests.deployment.rollout.support import NEW, NEWER, OLD, Answers, Killed, World

# How a version is, and the most of the traffic that it may ever get where another one serves.
GOOD = (Behaviour(), Answers(), 100)
QUALITIES = {
    "good": GOOD,
    "slow to start": (Behaviour(ready_after=50.0), Answers(), 100),
    "never ready": (Behaviour(failure="silent"), Answers(), 0),
    "crash loop": (Behaviour(failure="CrashLoopBackOff"), Answers(), 0),
    "no image": (Behaviour(failure="ImagePullBackOff"), Answers(), 0),
    "wrong answers": (Behaviour(), Answers(wrong="a.png: off by 0.2"), 0),
    "5xx at 10 %": (Behaviour(), Answers(fails_at=10), 10),
    "slow at 50 %": (Behaviour(), Answers(slow_at=50), 50),
    "5xx at 100 %": (Behaviour(), Answers(fails_at=100), 100),
}
PROVEN = ("good", "slow to start")
FAULTS = ("lost", "answer-lost", "409", "500", "503", "429")


@dataclass(frozen=True)
class Attempt:
    """One run of the deploy step, or a person's resume.

    With faults at so many calls of the cluster's API from its.
    start, the death of the driver before a call, or before a write to the registry."""

    act: str
    faults: tuple[tuple[int, str], ...] = ()
    dies_at_call: int | None = None
    dies_at_write: int | None = None


CALLS = st.integers(0, 150)
ATTEMPTS = st.builds(
    Attempt,
    act=st.sampled_from([NEW, NEWER, NEW, "resume", "abort"]),
    faults=st.lists(st.tuples(CALLS, st.sampled_from(FAULTS)), max_size=12).map(tuple),
    dies_at_call=st.none() | CALLS,
    dies_at_write=st.none() | st.integers(0, 3),
)
SCHEDULES = st.lists(ATTEMPTS, min_size=1, max_size=4)
QUALITY = st.sampled_from(sorted(QUALITIES))
MODES = st.sampled_from(["Standard", "Knative"])


def attempt(world: World, one: Attempt) -> None:
    """Whatever it ends with; errors that a step may end with included."""
    world.kserve.faults = {world.kserve.calls + offset: fault for offset, fault in one.faults}
    world.rest.dies_before = (
        None if one.dies_at_call is None else world.kserve.calls + one.dies_at_call
    )
    world.store.dies_before = (
        None if one.dies_at_write is None else world.store.writes + one.dies_at_write
    )
    try:
        if one.act == "abort":
            seen = world.cluster.look()
            if seen is not None and seen.rollout is not None:
                world.cluster.request(f"abort {seen.rollout.new.name}")
        elif one.act == "resume":
            world.resume()
        else:
            world.deploy(one.act)
    except (Killed, EnvironmentProblem, ConflictError):
        pass
    finally:
        world.kserve.faults, world.rest.dies_before, world.store.dies_before = {}, None, None


def played(mode: str, first: bool, new: str, newer: str, schedule: list[Attempt]) -> None:
    world = World(mode)
    qualities = {OLD: "good", NEW: new, NEWER: newer}
    for version, quality in qualities.items():
        world.kserve.behaviours[version], world.prober.answers[version], _ = QUALITIES[quality]
    proven = {version for version, quality in qualities.items() if quality in PROVEN}
    if not first:
        world.deploy(OLD)
    for one in schedule:
        attempt(world, one)
        assert set(world.recorded) <= {*proven, None}, "the registry named an unproven version"
        assert world.serving is None or world.serving in proven
    # In the end somebody runs the last thing again, in peace.
    last = next((one.act for one in reversed(schedule) if one.act in (NEW, NEWER)), None)
    if last is None:
        return
    try:
        world.deploy(last)
    except ConflictError:  # it was sent back before, and another one came since: what stands there is brought to its end
        world.resume()
    world.check(proven)
    if not first:
        over = {
            version: peak
            for version, peak in world.kserve.peaks.items()
            if peak > QUALITIES[qualities[version]][2]
        }
        assert not over, f"more traffic than was proven: {over}"
        assert world.serving is not None


KILLED_AT_RECORD = [
    Attempt(NEW, dies_at_write=2),
    Attempt(NEWER, faults=((7, "answer-lost"),)),
    Attempt(NEW),
]
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


# Champion for a moment, never served: what is sent back after it must not make it champion again.
NEVER_SERVED = [Attempt(NEW, dies_at_call=0), Attempt(NEWER)]


@example("Standard", True, "5xx at 10 %", "5xx at 10 %", NEVER_SERVED)
@example("Standard", False, "5xx at 10 %", "good", KILLED_AT_RECORD)
@example("Knative", False, "good", "crash loop", [Attempt(NEW), Attempt(NEWER), Attempt(NEW)])
@example("Standard", False, "good", "crash loop", [Attempt(NEW), Attempt(NEWER), Attempt(NEW)])
@given(MODES, st.booleans(), QUALITY, QUALITY, SCHEDULES)
@settings(QUIET, max_examples=25, derandomize=True)
def test_any_schedule(
    mode: str, first: bool, new: str, newer: str, schedule: list[Attempt]
) -> None:
    played(mode, first, new, newer, schedule)


@pytest.mark.slow
@given(MODES, st.booleans(), QUALITY, QUALITY, SCHEDULES)
@settings(QUIET, max_examples=200)
def test_many_schedules(
    mode: str, first: bool, new: str, newer: str, schedule: list[Attempt]
) -> None:
    played(mode, first, new, newer, schedule)
