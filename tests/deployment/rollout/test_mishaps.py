"""What goes wrong around a rollout.

Serving stays as it was or gets better, and status, findings and registry say why and what serves.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from components.deployment.registry.registry import Registry
from components.deployment.rollout import command
from components.deployment.rollout.command import told
from components.shared.artifacts import contract
from components.shared.artifacts.contract import ModelManifest, read_marker
from components.shared.errors import EnvironmentProblem
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.disk import DiskStore
from tests.deployment.builders import PRESET, signed, verdict_on, write_model
from tests.deployment.rollout.kserve import Behaviour
from tests.deployment.rollout.support import NEW, NEWER, OLD, Answers, Killed, World


@pytest.fixture
def world() -> World:
    """A cluster on which OLD serves."""
    world = World()
    assert world.deploy(OLD).outcome == "serving"
    return world


def meanwhile(world: World, percent: int, happens) -> None:  # type: ignore[no-untyped-def]
    """Something happens the first time that the new version is watched at a percentage."""
    probe = world.prober.probe

    def probed(rollout, requests):  # type: ignore[no-untyped-def]
        if rollout.percent == percent:
            world.prober.probe = probe  # type: ignore[method-assign]
            happens()
        return probe(rollout, requests)

    world.prober.probe = probed  # type: ignore[method-assign]


def status(world: World) -> str:
    seen = world.cluster.look()
    assert seen is not None
    assert seen.rollout is not None
    return told(seen.rollout, seen)


def test_a_node_is_lost_on_which_the_new_version_ran(world: World) -> None:
    meanwhile(world, 50, lambda: world.kserve.behaviours.update({NEW: Behaviour(failure="silent")}))
    found = world.deploy(NEW)
    assert (found.outcome, found.serving, found.reason) == (
        "rolled-back",
        OLD,
        "no longer ready at 50 %",
    )
    assert "reason       no longer ready at 50 %" in status(world)
    assert world.traffic() == {OLD: 100}
    assert (world.champion, world.serving) == (OLD, OLD)
    assert world.registry.pointers().decision.why == "no longer ready at 50 %"  # type: ignore[union-attr]


def test_a_node_is_lost_on_which_the_version_before_ran(world: World) -> None:
    """Where both fail, the traffic goes back only once there is something to go back to."""
    down = Behaviour(failure="silent")

    def lost() -> None:
        world.kserve.behaviours.update({OLD: down, NEW: down})

    meanwhile(world, 10, lost)
    with pytest.raises(
        EnvironmentProblem, match="the previous version isn't ready.*rollout resume"
    ):
        world.deploy(NEW)
    assert "phase        rolling-back" in status(world)
    world.kserve.behaviours.clear()
    assert world.resume().outcome == "rolled-back"
    assert world.traffic() == {OLD: 100}
    assert (world.champion, world.serving) == (OLD, OLD)


def test_golden_answers_that_differ_once_it_has_taken_over(world: World) -> None:
    meanwhile(
        world,
        100,
        lambda: world.prober.answers.update(
            {NEW: Answers(wrong="a.png: a probability is off by 0.2")}
        ),
    )
    found = world.deploy(NEW)
    assert (found.outcome, found.serving) == ("rolled-back", OLD)
    assert "reason       smoke test: a.png: a probability is off by 0.2" in status(world)
    world.check({OLD})


def test_a_long_reason_ends_with_a_whole_word(world: World) -> None:
    world.kserve.behaviours[NEW] = Behaviour(failure="ImagePullBackOff")
    pods = world.kserve._pods

    def wordy(selector):  # type: ignore[no-untyped-def]
        found = pods(selector)
        for pod in found:
            state = pod["status"]["containerStatuses"][0]["state"]
            if "waiting" in state:
                state["waiting"]["message"] = (
                    "Back-off pulling image " + "registry.example/emotion-serving " * 12
                )
        return found

    world.kserve._pods = wordy  # type: ignore[method-assign]
    reason = world.deploy(NEW).reason
    assert reason.endswith(" registry.example/emotion-serving…")


def test_a_second_generation_after_a_pause(world: World) -> None:
    name = world.wanted(NEW).new.name
    meanwhile(world, 10, lambda: world.cluster.request(f"pause {name}"))
    assert world.deploy(NEW).outcome == "paused"
    assert "asked to pause" in status(world)
    world.cluster.request("")
    assert world.resume().outcome == "serving"
    world.check({OLD, NEW})
    assert world.deploy(NEWER).outcome == "serving"
    world.check({OLD, NEW, NEWER})
    assert world.traffic() == {NEWER: 100}


@pytest.mark.parametrize("end", ["serving", "rolled-back"])
def test_credentials_of_the_store_expire_on_the_way(world: World, end: str) -> None:
    """The traffic is where it should be, the step says what it couldn't write, and another one writes it."""
    if end == "rolled-back":
        world.prober.answers[NEW] = Answers(fails_at=50)
    write, expired = (
        world.store.write,
        EnvironmentProblem("can't write gs://b/models: 401 the token expired", fix="log in again"),
    )

    def refused(key: str, content: bytes) -> None:
        raise expired

    meanwhile(world, 10, lambda: setattr(world.store, "write", refused))
    with pytest.raises(EnvironmentProblem, match="the token expired"):
        world.deploy(NEW)
    assert f"phase        {end}" in status(world)
    assert world.serving == OLD
    world.store.write = write  # type: ignore[method-assign]
    assert world.resume().outcome == end
    world.check({OLD, NEW} if end == "serving" else {OLD})


def test_one_broken_object_in_a_versions_folder_moves_no_traffic(
    world: World, tmp_path, monkeypatch, capsys
) -> None:  # type: ignore[no-untyped-def]
    write_model(tmp_path / "model", b"weights", "faces")
    folder = tmp_path / "model"
    contract.write_atomically(folder / "golden" / "a.png", b"image")
    contract.write_atomically(
        folder / "golden" / "expected.json", json.dumps({"a.png": [1.0] + [0.0] * 6}).encode()
    )
    manifest = read_marker(folder, "model", ModelManifest)
    contract.finish(
        folder, "model", replace(manifest, files=contract.checksums(folder, without="model.json"))
    )
    version = read_marker(folder, "model", ModelManifest).version
    store = DiskStore(tmp_path / "store")
    registry = Registry(store, "faces")
    registry.promote(folder, "run-1", verdict_on(version, model_name="faces"), signed())
    (store.root / keys.version("faces", version) / "model.tflite").write_bytes(b"weighty")
    monkeypatch.setattr(command, "_cluster", lambda arguments: world.cluster)
    monkeypatch.setattr(command, "_require_reach", lambda cluster, rollout: None)
    monkeypatch.setattr(
        command, "storage_uri", lambda location: f"gs://b/{location.rsplit('/', 1)[1]}"
    )
    preset = to_json(replace(PRESET, model_name="faces", serving=world.policy))
    applies = len(world.kserve.applies)
    assert (
        command.main(
            [
                "start",
                "--preset",
                preset,
                "--store",
                str(store.root),
                "--serving-image",
                "r/serving:2",
            ]
        )
        == 3
    )
    assert "other content of model.tflite" in capsys.readouterr().err
    assert len(world.kserve.applies) == applies
    assert world.traffic() == {OLD: 100}


def states(answers, lag, dies_after=None):
    """Every state that the driver writes on the way, and how it ended.

    With ``dies_after`` it dies there, and another one goes on.
    """
    world = World()
    world.kserve.gateway_lag = lag
    world.deploy(OLD)
    world.prober.answers[NEW] = answers
    apply, written = world.cluster.apply, []

    def applied(rollout, resource_version):
        apply(rollout, resource_version)
        written.append((rollout.phase, rollout.percent))
        if written[-1] == dies_after and written.count(dies_after) == 1:
            raise Killed

    world.cluster.apply = applied
    try:
        found = world.deploy(NEW)
    except Killed:
        world.clock.sleep(5)
        found = world.resume()
    world.check({OLD, NEW} if found.outcome == "serving" else {OLD})
    return list(dict.fromkeys(written)), found.outcome


@pytest.mark.parametrize("lag", [0.0, 2.0, 10.0])
@pytest.mark.parametrize(
    "answers", [Answers(), Answers(fails_at=100)], ids=["good", "bad at 100 %"]
)
def test_the_deploy_pod_dies_in_any_state_under_a_gateway_that_lags(answers, lag):
    written, outcome = states(answers, lag)
    assert len(written) >= 6
    for state in written:
        assert states(answers, lag, dies_after=state)[1] == outcome
