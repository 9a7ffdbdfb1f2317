"""Random sequences of what gate, people, rollouts and kills do.

Registry and traffic never contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.deployment.registry import approval
from components.deployment.rollout.driver import drive
from components.shared.errors import ConflictError, ContractError, EnvironmentProblem, InputError
from components.shared.records import ApprovalRequest
from components.shared.step.preset_argument import store_preset
from tests.deployment.builders import PRESET, signed, verdict_on
from tests.deployment.rollout.kserve import Behaviour
from tests.deployment.rollout.support import NEW, NEWER, OLD, Answers, Killed, World

VERSIONS = (OLD, NEW, NEWER)
QUALITIES = {
    "good": (Behaviour(), Answers()),
    "never ready": (Behaviour(failure="silent"), Answers()),
    "wrong answers": (Behaviour(), Answers(wrong="a.png: off by 0.2")),
    "5xx at 50 %": (Behaviour(), Answers(fails_at=50)),
}


@dataclass(frozen=True)
class Act:
    """One thing that happens, with the quality that its version has by then, and where its process dies."""

    name: str
    version: str = OLD
    quality: str = "good"
    better: bool = False
    dies_at_call: int | None = None
    dies_at_write: int | None = None


ACTS = st.builds(
    Act,
    name=st.sampled_from(["night", "approve", "rollback", "start", "resume", "abort"]),
    version=st.sampled_from(VERSIONS),
    quality=st.sampled_from(sorted(QUALITIES)),
    better=st.booleans(),
    dies_at_call=st.none() | st.integers(0, 150),
    dies_at_write=st.none() | st.integers(0, 5),
)


def happen(world: World, act: Act) -> None:
    """Let it happen, whatever it is refused with."""
    behaviour, world.prober.answers[act.version] = QUALITIES[act.quality]
    if act.version not in routed_versions(world):  # pods that serve have come up already
        world.kserve.behaviours[act.version] = behaviour
    world.rest.dies_before = (
        None if act.dies_at_call is None else world.kserve.calls + act.dies_at_call
    )
    world.store.dies_before = (
        None if act.dies_at_write is None else world.store.writes + act.dies_at_write
    )
    try:
        {
            "night": night,
            "approve": approve,
            "rollback": rollback,
            "start": start,
            "resume": resume,
            "abort": abort,
        }[act.name](world, act)
    except (Killed, EnvironmentProblem, ConflictError, ContractError, InputError):
        pass
    finally:
        world.rest.dies_before = world.store.dies_before = None


def routed_versions(world: World) -> set[str]:
    """Versions that get requests now, or will once the gateway knows."""
    shares = [*world.kserve.routed.items(), *world.kserve.weights.items()]
    workloads = world.kserve.workloads
    return {workloads[name].version for name, share in shares if share and name in workloads}


def night(world: World, act: Act) -> None:
    world.deploy(act.version)


def approve(world: World, act: Act) -> None:
    now = world.registry.pointers()
    stands = [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]
    world.store.write(f"models/faces/versions/{act.version}/model.json", b"{}")
    verdict = verdict_on(act.version, *stands, word="needs-approval", better_than_anchor=act.better)
    number = now.decision.number if now.decision else 0
    approval.approve(
        world.registry,
        ApprovalRequest(f"run-{act.version[0]}", verdict, signed().at, number),
        signed(),
    )


def rollback(world: World, act: Act) -> None:
    world.registry.rollback(signed())


def start(world: World, act: Act) -> None:
    """As `emotion rollout start` does."""
    if world.champion is not None:
        drive(world.tools(), world.wanted(world.champion), again=True)


def resume(world: World, act: Act) -> None:
    world.resume()


def abort(world: World, act: Act) -> None:
    seen = world.cluster.look()
    if seen is not None and seen.rollout is not None:
        world.cluster.request(f"abort {seen.rollout.new.name}")
        world.resume()


def agree(world: World) -> None:
    """What must hold after whatever happened."""
    now, served_fully = (
        world.registry.pointers(),
        {version for version, peak in world.kserve.peaks.items() if peak == 100},
    )
    roles = {"champion": now.champion, "previous": now.previous, "anchor": now.anchor}
    for role, pointer in roles.items():
        assert pointer is None or pointer.version not in now.withdrawn, f"the {role} was sent back"
    assert now.previous is None or now.champion is not None
    assert now.previous is None or now.previous.version != now.champion.version, (
        "a rollback would change nothing"
    )  # type: ignore[union-attr]
    assert now.anchor is None or now.anchor.version in served_fully, (
        "the anchor never had all of the traffic"
    )
    assert world.serving is None or world.serving in served_fully, (
        "what serves never had all of the traffic"
    )
    numbers = [decision.number for decision in world.registry.decisions()]
    assert numbers == list(range(1, len(numbers) + 1)), "a decision is missing"
    assert not world.kserve.violations, world.kserve.violations[:3]


def played(acts: list[Act]) -> None:
    world = World()
    for version in VERSIONS:
        store_preset(
            world.store,
            f"run-{version[0]}",
            replace(PRESET, model_name="faces", serving=world.policy),
        )  # type: ignore[arg-type]
    for act in acts:
        happen(world, act)
        agree(world)
    # In the end somebody brings the champion to the traffic, in peace; where there is none, what
    # stands there is brought to its end.
    happen(world, Act("resume"))
    happen(world, Act("start", version=world.champion or OLD))
    agree(world)
    assert world.champion == world.serving, "the champion isn't what serves"
    assert world.traffic() == ({world.serving: 100} if world.serving else {}), (
        "the registry and the traffic disagree"
    )


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)

# A better version fails on its way: it never becomes the anchor.
SENT_BACK = [
    Act("night", OLD),
    Act("approve", NEW, "5xx at 50 %", better=True),
    Act("start", NEW, "5xx at 50 %"),
    Act("night", NEWER),
]
# What a person rolled back serves on, because the version before it no longer comes up.
NO_WAY_BACK = [
    Act("night", OLD),
    Act("night", NEW),
    Act("rollback", OLD, "never ready"),
    Act("start", OLD, "never ready"),
]


@example(SENT_BACK)
@example(NO_WAY_BACK)
@given(st.lists(ACTS, min_size=1, max_size=7))
@settings(QUIET, max_examples=30, derandomize=True)
def test_registry_and_traffic_agree(acts: list[Act]) -> None:
    played(acts)


@pytest.mark.slow
@given(st.lists(ACTS, min_size=1, max_size=12))
@settings(QUIET, max_examples=300)
def test_registry_and_traffic_agree_over_many_sequences(acts: list[Act]) -> None:
    played(acts)
