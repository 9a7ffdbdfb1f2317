"""`emotion rollout` on a cluster that stands in for a real one."""

from __future__ import annotations

import pytest

from components.contracts import layout
from components.deployment.rollout import command
from components.deployment.rollout.probing import Golden
from components.runtime.disk_store import DiskStore
from components.runtime.pointers import read_serving
from tests.deployment.rollout.support import NEW, OLD, World


@pytest.fixture
def world(monkeypatch, tmp_path):
    """OLD serves; the commands reach this world's cluster, and a store that knows NEW."""
    world = World()
    world.deploy(OLD)
    monkeypatch.setattr(command, "_cluster", lambda arguments: world.cluster)
    monkeypatch.setattr(command, "_require_reach", lambda cluster, rollout: None)
    monkeypatch.setattr(command, "GoldenProber", lambda golden, cluster: world.prober)
    monkeypatch.setattr(command, "golden_of", lambda folder: Golden(NEW, (), ()))
    monkeypatch.setattr(command, "drive", lambda tools, *given, **options: drive(world, tools, *given, **options))
    store = DiskStore(tmp_path / "store")
    store.write(f"{layout.version('faces', NEW)}/model.json", b"{}")
    world.store = store
    return world


def drive(world, tools, *given, **options):
    from dataclasses import replace

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
    assert read_serving(world.store, "faces").version == OLD
    assert world.traffic() == {OLD: 100}
    assert command.main(["resume", "faces", "--store", str(world.store.root)]) == 2
    assert "add --again" in capsys.readouterr().err
    assert command.main(["resume", "faces", "--store", str(world.store.root), "--again"]) == 0
    assert world.traffic() == {NEW: 100}


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
