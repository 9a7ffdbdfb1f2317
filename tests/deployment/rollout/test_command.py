"""`emotion rollout` on a cluster that stands in for a real one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.deployment.registry.lineage import record_serving_image
from components.deployment.registry.registry import Registry
from components.deployment.rollout import command
from components.deployment.rollout.probes import Golden
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.disk import DiskStore
from components.shared.store.registry import read_serving
from tests.deployment.builders import PRESET, signed
from tests.deployment.rollout.support import NEW, OLD, Answers, World


@pytest.fixture
def world(monkeypatch, tmp_path):
    """OLD serves; the commands reach this world's cluster, and a store that knows NEW."""
    world = World()
    world.deploy(OLD)
    monkeypatch.setattr(command, "_cluster", lambda arguments: world.cluster)
    monkeypatch.setattr(command, "_require_reach", lambda cluster, rollout: None)
    monkeypatch.setattr(command, "GoldenProber", lambda golden, cluster: world.prober)
    monkeypatch.setattr(command, "golden_of", lambda folder: Golden(NEW, (), ()))
    monkeypatch.setattr(
        command, "drive", lambda tools, *given, **options: drive(world, tools, *given, **options)
    )
    store = DiskStore(tmp_path / "store")
    for key, value in world.store.values.items():
        store.write(key, value)
    world.store, world.registry = store, Registry(store, "faces")
    # A folder stands for the bucket that a cluster can read.
    monkeypatch.setattr(
        command, "storage_uri", lambda location: f"gs://b/{location.rsplit('/', 1)[1]}"
    )
    manifest = f"{keys.version('faces', NEW)}/model.json"
    monkeypatch.setattr(Registry, "manifest", lambda registry, version: registry.require(version))
    store.write(manifest, b"{}")
    return world


def drive(world, tools, *given, **options):
    from components.deployment.rollout.driver import drive

    return drive(replace(tools, clock=world.clock), *given, **options)


def halfway(world):
    """A rollout of NEW whose driver was interrupted at 10 %."""

    def interrupt(rollout, requests):
        raise KeyboardInterrupt

    probe, world.prober.probe = world.prober.probe, interrupt
    with pytest.raises(KeyboardInterrupt):
        world.deploy(NEW)
    world.prober.probe = probe


def test_status(world, capsys):
    halfway(world)
    assert command.main(["status", "faces"]) == 0
    told = capsys.readouterr().out
    assert f"new version  {NEW}, ready" in told
    assert "phase        shifting 10 %" in told
    assert "10 % to the new version" in told


def test_pause_then_resume(world, capsys):
    halfway(world)
    assert command.main(["pause", "faces"]) == 0
    assert "Go on with: emotion rollout resume" in capsys.readouterr().out
    assert command.main(["status", "faces"]) == 0
    assert "asked to pause" in capsys.readouterr().out
    assert command.main(["resume", "faces", "--store", str(world.store.root)]) == 0
    assert f"{NEW}: serving" in capsys.readouterr().out
    assert read_serving(world.store, "faces").version == NEW
    assert world.traffic() == {NEW: 100}


def test_abort(world, capsys):
    halfway(world)
    assert command.main(["abort", "faces", "--store", str(world.store.root)]) == 0
    assert f"rolled-back, a person aborted it; {OLD} serves" in capsys.readouterr().out
    assert (world.serving, world.champion, world.traffic()) == (OLD, OLD, {OLD: 100})
    assert (
        command.main(["resume", "faces", "--store", str(world.store.root)]) == command.NOT_SERVING
    )
    assert "resume --again" in capsys.readouterr().out
    assert command.main(["resume", "faces", "--store", str(world.store.root), "--again"]) == 0
    assert (world.serving, world.champion, world.traffic()) == (NEW, NEW, {NEW: 100})


def test_a_champion_made_by_hand_is_brought_to_the_traffic(world, capsys):
    """Approved, promoted or rolled back by a person.

    The registry wants one version and another serves until `start`.
    """
    preset = to_json(replace(PRESET, model_name="faces", serving=world.policy))
    world.promote(NEW)
    assert command.main(["status", "faces", "--store", str(world.store.root)]) == 0
    assert f"champion {NEW}, serving {OLD}\n" in (told := capsys.readouterr().out)
    assert "emotion rollout start brings it" in told
    assert command.main(["start", "--preset", preset, "--store", str(world.store.root)]) == 0
    assert (world.serving, world.champion, world.traffic()) == (NEW, NEW, {NEW: 100})
    world.registry.rollback(signed())
    assert command.main(["start", "--preset", preset, "--store", str(world.store.root)]) == 0
    assert (world.serving, world.champion, world.traffic()) == (OLD, OLD, {OLD: 100})
    assert command.main(["status", "faces", "--store", str(world.store.root)]) == 0
    assert "isn't what serves" not in capsys.readouterr().out


def test_a_first_champion_needs_an_image(world, capsys):
    world.kserve.service, world.kserve.workloads, world.kserve.weights = None, {}, {}
    preset = to_json(replace(PRESET, model_name="faces", serving=world.policy))
    assert command.main(["start", "--preset", preset, "--store", str(world.store.root)]) == 2
    told = capsys.readouterr().err
    assert f"doesn't say which image {OLD} was checked with" in told
    assert "name one with --serving-image" in told
    assert (
        command.main(
            [
                "start",
                "--preset",
                preset,
                "--store",
                str(world.store.root),
                "--serving-image",
                "r/i:1",
            ]
        )
        == 0
    )
    assert (world.serving, world.traffic()) == (OLD, {OLD: 100})


def image_of(world):
    return world.kserve.service["spec"]["predictor"]["containers"][0]["image"]


def test_a_version_is_served_by_the_image_that_it_was_checked_with(world):
    preset = to_json(replace(PRESET, model_name="faces", serving=world.policy))
    record_serving_image(world.registry, NEW, "r/serving:2")
    world.promote(NEW)
    assert (
        command.main(
            ["start", "--preset", preset, "--store", str(world.store.root), "--serving-image", ""]
        )
        == 0
    )
    assert (world.serving, image_of(world)) == (NEW, "r/serving:2")
    world.registry.rollback(
        signed()
    )  # nothing says what the earlier version was checked with: the image that serves is taken
    assert command.main(["start", "--preset", preset, "--store", str(world.store.root)]) == 0
    assert (world.serving, image_of(world)) == (OLD, "r/serving:2")


def test_an_image_that_is_named_goes_before_the_recorded_one(world):
    preset = to_json(replace(PRESET, model_name="faces", serving=world.policy))
    record_serving_image(world.registry, NEW, "r/serving:2")
    world.promote(NEW)
    assert (
        command.main(
            [
                "start",
                "--preset",
                preset,
                "--store",
                str(world.store.root),
                "--serving-image",
                "r/serving:3",
            ]
        )
        == 0
    )
    assert image_of(world) == "r/serving:3"


def test_two_images_of_one_version_are_told_apart(world, capsys):
    preset = to_json(replace(PRESET, model_name="faces", serving=world.policy))
    world.prober.answers[OLD] = Answers(fails_at=10)
    assert (
        command.main(
            [
                "start",
                "--preset",
                preset,
                "--store",
                str(world.store.root),
                "--serving-image",
                "r/serving:2",
            ]
        )
        == 3
    )
    told = capsys.readouterr().out
    assert f"{OLD} with the image r/serving:2: dark launch" in told
    assert told.endswith(f"; {OLD} with the image emotion-serving serves\n")
    assert command.main(["status", "faces"]) == 0
    status = capsys.readouterr().out
    assert f"new version  {OLD} with the image r/serving:2, " in status
    assert f"previous     {OLD} with the image emotion-serving" in status
    assert "image        r/serving:2" in status


def test_ctrl_c_says_how_to_go_on(world, capsys):
    halfway(world)

    def interrupt(rollout, requests):
        raise KeyboardInterrupt

    world.prober.probe = interrupt
    assert command.main(["resume", "faces", "--store", str(world.store.root)]) == 130
    assert "Continue with: emotion rollout resume" in capsys.readouterr().err


def test_what_serves_can_neither_be_paused_nor_aborted(world, capsys):
    assert command.main(["pause", "faces"]) == 2
    assert "nothing to pause" in capsys.readouterr().err
    assert command.main(["abort", "faces", "--store", str(world.store.root)]) == 2
    assert "serves already" in capsys.readouterr().err
