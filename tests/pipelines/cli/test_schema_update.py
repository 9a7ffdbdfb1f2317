"""`emotion schema update`.

The difference is shown, kept with --write, and a wrong snapshot is one clear line.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import Store, open_store
from pipelines.code_version import ROOT
from pipelines.presets import preset

NAME = "synthetic-faces"
SNAPSHOTS = ("a1" * 32, "a2" * 32)
# Statistics of two rows, one wider than the curated schema allows, made where TensorFlow Data
# Validation is.
DESCRIBE = """
import sys
import pandas as pd
from components.shared.labels import taxonomy
from components.validation.distributions import statistics as distributions
rows = pd.DataFrame({
    "label": ["happy", "sad"], "split": "train", "width": [5000, 48], "height": [48, 48], "channels": [1, 1], "format": "PNG",
    "brightness": [100.0, 110.0], "contrast": [40.0, 50.0], "sharpness": [300.0, 310.0], "entropy": [5.0, 6.0],
})
open(sys.argv[1], "wb").write(distributions.to_bytes(distributions.describe(rows, taxonomy("basic-7").labels)))
"""


def update(root: Path, store: Store, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [
        ROOT / ".venvs" / "pipelines" / "bin" / "python",
        "-m",
        "pipelines.cli.app",
        "schema",
        "update",
        "--store",
        store.uri,
    ]
    return subprocess.run(
        [*command, *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


def accept(store: Store, source: str, snapshot: str, run: str, statistics: bytes) -> None:
    """What a night leaves that accepted a snapshot."""
    store.write(f"{keys.snapshot(source, snapshot)}/statistics.pb", statistics)
    store.write(
        keys.accepted_snapshot(source),
        json.dumps({"snapshot_id": snapshot, "run_id": run}).encode(),
    )
    resolved = {"findings": {"preset_json": to_json(preset(NAME))}}
    store.write(keys.evidence(run, "resolve"), json.dumps(resolved).encode())


def test_no_snapshot_and_several_are_one_clear_line(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    done = update(ROOT, store, "--preset", NAME)
    assert done.returncode == 2
    assert f"no snapshot with statistics in {store.uri} for the preset {NAME}" in done.stderr
    assert f"run `emotion run --preset {NAME} --store {store.uri}` first" in done.stderr
    for number, snapshot in enumerate(SNAPSHOTS):
        accept(store, f"faces-{number}", snapshot, f"r{number}", b"")
    for given in (["--preset", NAME], ["--preset", NAME, "--snapshot", "a"]):
        done = update(ROOT, store, *given)
        assert done.returncode == 2
        assert "several snapshots" in done.stderr
        assert "expected one of a1a1a1a1a1a1, a2a2a2a2a2a2" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_difference_is_shown_and_kept_with_write(tmp_path: Path) -> None:
    root = tmp_path / "checkout"  # --write changes the repository, so this is a copy of it
    for package in ("components", "pipelines"):
        shutil.copytree(
            ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (root / ".venvs").symlink_to(ROOT / ".venvs")
    statistics = tmp_path / "statistics.pb"
    validation = [ROOT / ".venvs" / "validation" / "bin" / "python", "-c", DESCRIBE, statistics]
    subprocess.run(
        validation,
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        check=True,
        capture_output=True,
        timeout=280,
    )
    store = open_store(str(tmp_path / "store"))
    accept(store, "faces", SNAPSHOTS[0], "r0", statistics.read_bytes())
    schema = root / "components" / "validation" / "distributions" / "schemas" / f"{NAME}.pbtxt"
    standing = schema.read_text()
    assert "max: 5000" not in standing

    shown = update(root, store, "--preset", NAME)
    assert shown.returncode == 0, shown.stderr
    added = [line.strip() for line in shown.stdout.splitlines() if line.startswith("+")]
    assert any("max: 5000" in line for line in added)
    assert "nothing was written; add --write to keep it" in shown.stdout
    assert schema.read_text() == standing

    kept = update(root, store, "--preset", NAME, "--snapshot", "a1", "--write")
    assert kept.returncode == 0, kept.stderr
    assert f"wrote components/validation/distributions/schemas/{NAME}.pbtxt" in kept.stdout
    assert "max: 5000" in schema.read_text()

    again = update(root, store, "--preset", NAME)
    assert "holds for this snapshot as it is" in again.stdout
    assert (
        ROOT / "components" / "validation" / "distributions" / "schemas" / f"{NAME}.pbtxt"
    ).read_text() == standing
