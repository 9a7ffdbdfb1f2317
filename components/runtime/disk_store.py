"""A store on a disk: files, atomic renames, and one lock file per compared key."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.contracts.artifacts import write_atomically
from components.contracts.errors import ConflictError, ContractError, InputError


class DiskStore:
    """See `components.runtime.store.Store`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = str(self.root)

    def read(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, content: bytes) -> None:
        write_atomically(self._path(key), content)

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_name(f".{path.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            current = self.read(key)
            if current != expected:
                raise ConflictError(
                    f"{key} was changed by someone else",
                    expected=(expected or b"nothing").decode()[:200],
                    received=(current or b"nothing").decode()[:200],
                    fix="run again: the next run compares with what stands there now",
                )
            write_atomically(path, content)

    def list(self, prefix: str) -> Iterator[str]:
        folder = self._path(prefix)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self.root).as_posix()

    def put_tree(self, folder: Path, key: str, marker: str) -> None:
        target = self._path(key)
        if (target / marker).exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # Copied beside its place and renamed: another process sees the whole tree or none of it.
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            shutil.copytree(folder, staging / "tree")
            if target.exists():
                shutil.rmtree(target)
            try:
                os.rename(staging / "tree", target)
            except OSError:
                if not (target / marker).exists():  # otherwise someone else was first, with the same content
                    raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        folder = self._path(key)
        if not (folder / marker).is_file():
            raise ContractError(f"{self.location(key)} is missing or incomplete", expected=f"a folder with {marker}")
        return folder

    def location(self, key: str) -> str:
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        path = self.root.joinpath(*key.split("/"))
        if ".." in key.split("/") or key.startswith("/"):
            raise InputError(f"{key!r} isn't a key", expected="a relative path without ..")
        return path
