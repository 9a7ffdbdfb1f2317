"""Bring a folder to what a night wants.

Write what differs, remove what is gone, touch nothing else.

The manifest, a file whose name starts with a dot, lists what we wrote, so nothing of anybody else's
is ever removed or drawn over. Before anything changes it is written with the files about to change
marked; after everything changed it is written again. A killed draw therefore leaves a manifest that
names every file of ours, and the next call completes it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import ContractError, EnvironmentProblem, InputError
from components.shared.serialization import from_json, to_pretty_json
from pipelines.demo.layouts import Counter, Planned

MANIFEST = ".synthetic-faces.json"
SCRATCH = ".synthetic-faces.partial"
MANIFEST_VERSION = 1
NO_NIGHT = -1
_CHANGING = ""  # recipe of a file whose content isn't known while a draw is under way
_OUR_PATHS = re.compile(r"([a-z0-9]+/){0,2}[a-z0-9]+(-[0-9]+)?\.(png|zip|csv)")


@dataclass(frozen=True)
class Manifest:
    """What stands in the folder.

    Attributes:
        night: the last one that was drawn to its end; NO_NIGHT when none was.
        files: recipe of each file that we wrote, by its path; empty while the file is about to
            change.
    """

    version: int
    night: int
    files: dict[str, str]


@dataclass(frozen=True)
class Change:
    """What a draw did, in files."""

    new: int
    changed: int
    gone: int
    kept: int


def synchronise(folder: Path, night: int, planned: Mapping[str, Planned]) -> Change:
    """Make ``folder`` hold exactly the planned files (those whose names start with a dot aside).

    Raises:
        InputError: the folder holds files that aren't ours.
        ContractError: its manifest isn't ours.
        EnvironmentProblem: it can't be written.
    """
    before = _manifest(folder)
    present = _present(folder)
    _refuse_foreign(folder, before, present)
    known = before.files if before else {}
    differing = [
        path
        for path, plan in planned.items()
        if path not in present or known.get(path) != plan.recipe
    ]
    gone = sorted(present - planned.keys())
    after = Manifest(MANIFEST_VERSION, night, {path: plan.recipe for path, plan in planned.items()})
    change = Change(
        sum(path not in present for path in differing),
        sum(path in present for path in differing),
        len(gone),
        len(planned) - len(differing),
    )
    if before == after and not differing and not gone:
        return change
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if differing or gone:
            changing = dict.fromkeys([*differing, *gone], _CHANGING)
            _write(
                folder,
                Manifest(
                    MANIFEST_VERSION, before.night if before else NO_NIGHT, {**known, **changing}
                ),
            )
            _draw(folder, {path: planned[path] for path in differing}, present)
            _remove(folder, gone)
        _write(folder, after)
    except (FileExistsError, NotADirectoryError) as error:
        raise EnvironmentProblem(
            f"can't draw into {folder}: {error.strerror}",
            expected="a folder",
            fix="choose another --output",
        ) from error
    return change


def _draw(folder: Path, planned: Mapping[str, Planned], present: set[str]) -> None:
    scratch = folder / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for parent in {(folder / path).parent for path in planned}:
        parent.mkdir(parents=True, exist_ok=True)
    counter = Counter(len(planned), "files")
    for path, plan in planned.items():
        # No fsync per file: the manifest says that these are changing until all of them are in
        # place.
        with open(scratch / "file", "wb") as stream:
            plan.write(stream, folder / path if path in present else None)
        os.replace(scratch / "file", folder / path)
        counter.step()
    shutil.rmtree(scratch)


def _remove(folder: Path, paths: list[str]) -> None:
    for path in paths:
        (folder / path).unlink(missing_ok=True)
    for parent in sorted(
        {
            parent
            for path in paths
            for parent in (folder / path).parents
            if folder in parent.parents
        },
        reverse=True,
    ):
        if not any(parent.iterdir()):
            parent.rmdir()


def _manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest = from_json(Manifest, path.read_bytes(), str(path))
    strange = [name for name in manifest.files if not _OUR_PATHS.fullmatch(name)]
    if manifest.version != MANIFEST_VERSION or strange:
        raise ContractError(
            f"{path} wasn't written by this program",
            expected=f"version {MANIFEST_VERSION} and paths of faces",
            received=strange[0] if strange else f"version {manifest.version}",
            fix="choose another --output, or remove that folder yourself",
        )
    return manifest


def _present(folder: Path) -> set[str]:
    """Paths of all files in the folder, but for names that start with a dot."""
    found: set[str] = set()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        place = Path(parent).relative_to(folder).as_posix()
        found.update(
            name if place == "." else f"{place}/{name}"
            for name in files
            if not name.startswith(".")
        )
    return found


def _refuse_foreign(folder: Path, manifest: Manifest | None, present: set[str]) -> None:
    foreign = sorted(present - (manifest.files.keys() if manifest else set()))
    if foreign:
        raise InputError(
            f"{folder} holds files that aren't synthetic faces of ours",
            expected="an empty folder, or one that this command has drawn",
            received=f"{len(foreign):,} of them, such as {foreign[0]}",
            fix="choose another --output, or move those files away",
        )


def _write(folder: Path, manifest: Manifest) -> None:
    write_atomically(folder / MANIFEST, to_pretty_json(manifest).encode())
