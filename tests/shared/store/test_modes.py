"""Who may write into a store on a disk, by the modes of real files that real processes made."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from components.shared.store.disk import DiskStore
from tests.shared.step.test_frame import command

SETGID = stat.S_ISGID
REPORTING = Path(__file__).parents[3] / ".venvs" / "reporting" / "bin" / "python"
INDEX = ["-m", "components.reporting", "index", "--rebuild", "--store"]


def modes(root: Path) -> dict[str, int]:
    """Mode of everything below a folder, hidden files too."""
    return {
        str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*")
    }


def made_by(root: Path, umask: int, setgid: bool) -> tuple[set[int], set[int]]:
    """Modes of the files, and of the folders, of a store that a step and a tool filled."""
    root.mkdir()
    root.chmod(0o775 | (SETGID if setgid else 0))
    for program in ([*command(root, "--do", "use the store")], [REPORTING, *INDEX, str(root)]):
        done = subprocess.run(program, umask=umask, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    found = modes(root)
    assert {
        "runs/run-1/evidence/resample.json",
        "runs/index.html",
        "trees/v/inner/weights",
        "trees/v/large",
        "toy/.pointer.lock",
    } <= set(found)
    folders = {name for name in found if (root / name).is_dir()}
    assert "trees/v/inner" in folders
    return {mode for name, mode in found.items() if name not in folders}, {
        found[name] for name in folders
    }


@pytest.mark.parametrize("setgid", [False, True])
@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0, 0o664, 0o775), (0o022, 0o644, 0o755), (0o077, 0o600, 0o700)]
)
def test_others_never_write_and_the_group_as_the_umask_has_it(
    tmp_path: Path, umask: int, file: int, folder: int, setgid: bool
) -> None:
    files, folders = made_by(tmp_path / "store", umask, setgid)
    linked = {0o664}  # the large file of a tree is the artifact's own, which the step made
    assert files | linked == {file} | linked
    assert folders == {folder | (SETGID if setgid else 0)}


def test_what_a_killed_writer_left_can_be_swept_by_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_bytes(b"{}")
    seen: list[int] = []
    monkeypatch.setattr(
        "components.shared.store.disk._copy_durably",
        lambda source, target: seen.append(_mode(Path(target).parents[1])),
    )
    before = os.umask(0o002)
    try:
        DiskStore(tmp_path / "store").put_tree(tmp_path / "model", "v", "model.json")
    finally:
        os.umask(before)
    assert set(seen) == {0o775}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
