"""A store on a disk: files, atomic renames, and one lock file per compared key or tree."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import stat
import threading
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import ContractError, InputError
from components.shared.store.interface import Entry, changed_meanwhile

_FILES_AT_ONCE = 4  # copied: most of the time one waits for the disk
_UMASK = threading.Lock()  # it can't be read without being set


class DiskStore:
    """See `components.shared.store.interface.Store`.

    Args:
        uri: what others know the folder by; its path where empty.
    """

    def __init__(self, root: Path, uri: str = "") -> None:
        self.root = root.absolute()
        self.uri = uri or str(self.root)

    def read(self, key: str) -> bytes | None:
        """See `Store.read`."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, content: bytes) -> None:
        """See `Store.write`."""
        write_atomically(self._path(key), content)

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        """See `Store.compare_and_set`."""
        path = self._path(key)
        with self._locked(path):
            current = self.read(key)
            if current != expected:
                raise changed_meanwhile(key, expected, current)
            write_atomically(path, content)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Store.list`."""
        for entry in self.scan(prefix):
            yield entry.key

    def scan(self, prefix: str) -> Iterator[Entry]:
        """See `Store.scan`."""
        found: list[Path] = []
        for folder, inner, names in os.walk(
            self._path(prefix)
        ):  # passes over folders that are removed meanwhile
            # Hidden: locks, and trees that are being written or removed.
            inner[:] = [name for name in inner if not name.startswith(".")]
            found += [Path(folder, name) for name in names if not name.startswith(".")]
        for path in sorted(found):
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    yield Entry(
                        path.relative_to(self.root).as_posix(), status.st_size, status.st_mtime
                    )

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self._path(key).unlink(missing_ok=True)

    def put_tree(self, folder: Path, key: str, marker: str, growing: Iterable[str] = ()) -> None:
        """See `Store.put_tree`."""
        target = self._path(key)
        if (target / marker).exists():
            list(growing)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # Copied beside its place and renamed: another process sees the whole tree or none of it.
        staging = _hidden_beside(target)
        try:
            _copy_tree(folder, staging / "tree", growing)
            with self._locked(target):
                if (target / marker).exists():
                    return  # someone else was first, with the same content
                if target.exists():
                    os.rename(target, staging / "torn")
                os.rename(staging / "tree", target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def delete_tree(self, key: str, marker: str) -> None:
        """See `Store.delete_tree`."""
        target = self._path(key)
        if not target.exists():
            return
        trash = _hidden_beside(target)
        try:
            with self._locked(target), contextlib.suppress(FileNotFoundError):
                os.rename(target, trash / "tree")
        finally:
            shutil.rmtree(trash, ignore_errors=True)

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        """See `Store.get_tree`."""
        folder = self._path(key)
        if not (folder / marker).is_file():
            raise ContractError(
                f"{self.location(key)} is missing or incomplete", expected=f"a folder with {marker}"
            )
        return folder

    def sweep(self, before: float) -> int:
        """See `Store.sweep`."""
        removed = 0
        for folder, inner, names in os.walk(self.root):
            hidden = [Path(folder, name) for name in (*inner, *names) if name.startswith(".")]
            inner[:] = [name for name in inner if not name.startswith(".")]
            for path in hidden:
                temporary = path.name.endswith(".tmp") or path.is_dir()
                with contextlib.suppress(
                    FileNotFoundError
                ):  # the work of someone who was slow, not dead
                    if temporary and path.stat().st_mtime < before:
                        removed += sum(
                            file.stat().st_size
                            for file in (path, *path.rglob("*"))
                            if file.is_file()
                        )
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return removed

    def location(self, key: str) -> str:
        """See `Store.location`."""
        return f"{self.uri}/{self._path(key).relative_to(self.root)}"

    def _path(self, key: str) -> Path:
        path = self.root.joinpath(*key.split("/"))
        if ".." in key.split("/") or key.startswith("/"):
            raise InputError(f"{key!r} isn't a key", expected="a relative path without ..")
        return path

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """Hold a file's or tree's lock.

        A hidden file beside it, which stays (removing it would let two hold it).
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_name(f".{path.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@functools.cache
def close_to_others() -> None:
    """Have this process, and those that it starts, make no file or folder that everybody may write into.

    Argo's executor starts containers with umask 0 (workflow/executor/osspecific/umask_linux.go of
    4.0.5). The group stays as the umask has it, so that users who share a volume through a group
    can; a stricter umask stays.
    """
    with _UMASK:
        os.umask(os.umask(0o077) | 0o002)


def _hidden_beside(target: Path) -> Path:
    """Return a new hidden folder.

    Unlike Python's temporary folders it has the modes of its neighbours, so that a group can sweep
    it.
    """
    folder = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
    folder.mkdir()
    return folder


def _copy_tree(folder: Path, target: Path, growing: Iterable[str]) -> None:
    """Copy a folder's content.

    Modes are those of new files and folders: the artifact's own may be too narrow, or too wide.
    """
    target.mkdir()
    with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
        copies: dict[Path, Future[None]] = {}
        for name in growing:
            copies[folder / name] = threads.submit(
                _link_durably, str(folder / name), str(target / name)
            )
        for inner, folders, names in os.walk(folder, followlinks=True):
            copied = target / Path(inner).relative_to(folder)
            for name in folders:
                (copied / name).mkdir()
            for name in names:
                source = Path(inner, name)
                if source not in copies:
                    copies[source] = threads.submit(_copy_durably, str(source), str(copied / name))
    for copy in copies.values():
        copy.result()


def _link_durably(source: str, target: str) -> None:
    """One more name for a file that nobody writes into any more.

    A copy where the disk can't do that.
    """
    try:
        os.link(source, target)
    except OSError:  # another disk, a file system without links, somebody else's file
        shutil.copyfile(source, target)
    _flush(target)


def _copy_durably(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    _flush(target)


def _flush(path: str) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
