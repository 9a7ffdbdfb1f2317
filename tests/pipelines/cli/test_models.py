"""`emotion models` from the shell, on a registry of three nights."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from components.deployment.registry.approval import ask
from components.deployment.registry.registry import Registry
from components.shared.store import keys
from components.shared.store.interface import open_store
from components.shared.store.registry import read_pointers
from pipelines.code_version import ROOT
from tests.bucket_server import bucket_process
from tests.deployment.builders import signed, verdict_on, write_model


def emotion(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.app",
        "models",
        *arguments,
        "--store",
        str(folder / "store"),
    ]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    """Two champions, the second one standing, and a version that waits for a person."""
    registry = Registry(open_store(str(tmp_path / "store")), "small")
    versions: list[str] = []
    for night in range(3):
        versions.append(write_model(tmp_path / f"model-{night}", b"weights %d" % night).version)
        now = registry.pointers()
        against = [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]
        if night < 2:
            registry.promote(
                tmp_path / f"model-{night}",
                f"run-{night}",
                verdict_on(versions[night], *against),
                signed("gate"),
            )
        else:
            registry.put(tmp_path / f"model-{night}", versions[night])
            ask(
                registry,
                f"run-{night}",
                verdict_on(versions[night], *against, word="needs-approval"),
                signed().at,
            )
    evidence = {"environment": {"lock": "1" * 64, "image": "emotion-training:2"}, "findings": {}}
    registry.store.write(keys.evidence("run-1", "train"), json.dumps(evidence).encode())
    gate = {
        "findings": {
            "word": "blessed",
            "champion": versions[0],
            "anchor": None,
            "checks": [{"outcome": "pass", "sentence": "It fits."}],
        }
    }
    registry.store.write(keys.evidence("run-1", "gate"), json.dumps(gate).encode())
    return versions


def champion(folder: Path) -> str:
    found = read_pointers(open_store(str(folder / "store")), "small").champion
    assert found is not None
    return found.version


def test_the_bare_command_lists_the_registry_and_what_waits(
    tmp_path: Path, versions: list[str]
) -> None:
    done = emotion(tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {
        line.split()[1]: line
        for line in done.stdout.splitlines()
        if line.strip().startswith("small ")
    }
    assert "previous, anchor" in rows[versions[0]]
    assert "champion" in rows[versions[1]]
    assert f"{versions[2]} needs approval: emotion models approve run-2" in done.stdout


def test_a_version_is_traced_back(tmp_path: Path, versions: list[str]) -> None:
    shown = emotion(tmp_path, "show", versions[1][:6]).stdout
    for words in (
        versions[1],
        "champion",
        "s" * 64,
        "c" * 64,
        "run-1",
        "promote by gate",
        "pass: It fits.",
        "1" * 64,
        "emotion-training:2",
    ):
        assert words in shown, words
    different = emotion(tmp_path, "diff", versions[0], versions[1]).stdout
    assert "emotion-training:2" in different
    assert "snapshot_id" not in different, "both were made of the same snapshot"
    missing = emotion(tmp_path, "show", "nothing")
    assert missing.returncode == 2
    assert "unknown version 'nothing'" in missing.stderr


def test_a_rollback_takes_less_than_two_seconds(tmp_path: Path, versions: list[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = emotion(tmp_path, "rollback", "--by", "ada", "--why", "errors in the shop")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor, so that what else the machine does isn't counted; nothing in it waits on
    # anything.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0, done.stderr
    assert champion(tmp_path) == versions[0]
    assert seconds < 2, f"{seconds:.1f} s"
    assert "rollback by ada" in emotion(tmp_path, "show", versions[0]).stdout
    again = emotion(tmp_path, "rollback")
    assert again.returncode == 2
    assert "no previous champion to go back to" in again.stderr
    assert emotion(tmp_path, "promote", versions[1], "--why", "it was the network").returncode == 0
    assert champion(tmp_path) == versions[1]


def test_a_rollback_in_a_bucket_takes_less_than_two_seconds(
    tmp_path: Path, versions: list[str]
) -> None:
    with bucket_process("emotions") as uri:
        here, there = open_store(str(tmp_path / "store")), open_store(uri)
        for key in here.list(""):
            there.write(key, here.read(key) or b"")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [
            sys.executable,
            "-m",
            "pipelines.cli.app",
            "models",
            "rollback",
            "--why",
            "errors in the shop",
            "--store",
            uri,
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        found = read_pointers(there, "small").champion
        assert found is not None
        assert found.version == versions[0]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"rollback in gs://: {seconds:.2f} s of the processor")
    assert seconds < 2, f"{seconds:.1f} s"


def test_garbage_is_shown_and_removed_when_asked(tmp_path: Path, versions: list[str]) -> None:
    store = open_store(str(tmp_path / "store"))
    store.write(f"{keys.checkpoint('e' * 64)}/checkpoint.npz", b"weights" * 100_000)
    checkpoint = tmp_path / "store" / "checkpoints" / ("e" * 64) / "checkpoint.npz"
    long_ago = checkpoint.stat().st_mtime - 40 * 86_400
    os.utime(checkpoint, (long_ago, long_ago))
    shown = emotion(tmp_path, "gc").stdout
    rows = {
        line.split()[1]: line
        for line in shown.splitlines()
        if line.split()[:1] in (["version"], ["checkpoint"])
    }
    assert "goes" in rows["e" * 16]
    assert all(
        words in shown
        for words in ("champion", "previous, anchor", "waits for approval, run run-2")
    )
    assert "garbage: 0 versions, 0 snapshots, 1 checkpoint; 0.7 MB" in shown
    assert "nothing was removed; --delete removes what goes" in shown
    assert checkpoint.exists()
    assert (
        "garbage: 0 versions, 0 snapshots, 0 checkpoints"
        in emotion(tmp_path, "gc", "--days", "60").stdout
    )
    done = emotion(tmp_path, "gc", "--delete")
    assert "removed 0 versions, 0 snapshots, 1 checkpoint" in done.stdout, done.stderr
    assert not checkpoint.exists()
    assert Registry(store, "small").versions() == sorted(versions)


def test_a_person_decides(tmp_path: Path, versions: list[str]) -> None:
    assert (
        emotion(tmp_path, "approve", "run-2", "--by", "ada", "--why", "looked at it").returncode
        == 0
    )
    assert champion(tmp_path) == versions[2]
    late = emotion(tmp_path, "reject", versions[2], "--why", "no")
    assert late.returncode == 3
    assert "decided already; received approve by ada" in late.stderr


def test_an_overtaken_approval_is_a_conflict(tmp_path: Path, versions: list[str]) -> None:
    emotion(tmp_path, "rollback")
    late = emotion(tmp_path, "approve", versions[2], "--why", "yes")
    assert late.returncode == 4
    assert "the champion is not the one that this model was judged against" in late.stderr
    assert champion(tmp_path) == versions[0]
    assert emotion(tmp_path, "reject", "run-2", "--why", "too late").returncode == 0
