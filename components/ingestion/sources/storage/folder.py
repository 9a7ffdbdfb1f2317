"""Places on a disk: a folder with everything below it, and a single file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from components.ingestion.sources.storage.storage import Entry, ObjectGone, ObjectUnreadable
from components.shared.errors import EnvironmentProblem

LINK_OUTSIDE = "link-outside"
BROKEN_LINK = "broken-link"
NOT_A_FILE = "not-a-file"


class Folder:
    """See `components.ingestion.sources.storage.storage.ObjectPlace`.

    Links that stay inside the folder are followed, a loop of them once; one that leads out is
    refused, and stands in the listing with that refusal, a linked folder with a final slash.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)
        self.origin = self.uri
        self._real = os.path.realpath(root)

    def entries(self) -> list[Entry]:
        """See `Place.entries`."""
        found: list[Entry] = []
        seen: set[tuple[int, int]] = set()
        waiting = [("", str(self.root))]
        while waiting:
            prefix, path = waiting.pop()
            try:
                status = os.stat(path)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(path) as items:
                    for item in items:
                        entry = self._entry_of(prefix, item)
                        if entry is None:
                            waiting.append((f"{prefix}{item.name}/", item.path))
                        else:
                            found.append(entry)
            except FileNotFoundError:
                continue  # removed while being listed
            except OSError as error:
                raise EnvironmentProblem(
                    f"can't list {path}: {error.strerror}", fix="check its permissions"
                ) from error
        return found

    def lookup(self, names: Iterable[str]) -> dict[str, Entry]:
        """See `Place.lookup`."""
        inside: dict[str, bool] = {}
        found: dict[str, Entry] = {}
        for name in names:
            folder, path = os.path.dirname(name), f"{self.root}/{name}"
            if folder not in inside:
                inside[folder] = self._is_inside(f"{self.root}/{folder}")
            try:
                status = os.lstat(path)
                outside = not inside[folder] or (
                    stat.S_ISLNK(status.st_mode) and not self._is_inside(path)
                )
                found[name] = (
                    Entry(name, 0, "", refusal=LINK_OUTSIDE)
                    if outside
                    else self._entry(name, os.stat(path))
                )
            except OSError:
                continue
        return found

    def read(self, entry: Entry) -> bytes:
        """See `Place.read`."""
        return _read(self.root / entry.name, -1)

    def head(self, entry: Entry, count: int) -> bytes:
        """See `Place.head`."""
        return _read(self.root / entry.name, count)

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """See `Place.fetch`."""
        return self.root / entry.name

    def _entry_of(self, prefix: str, item: os.DirEntry[str]) -> Entry | None:
        """Return the listed object, or None for a folder to walk into.

        Raises FileNotFoundError for one that has just gone.
        """
        name = prefix + item.name
        if item.is_symlink():
            if not self._is_inside(item.path):
                return Entry(
                    name + "/" if item.is_dir() else name,
                    0,
                    os.readlink(item.path),
                    refusal=LINK_OUTSIDE,
                )
            if not os.path.exists(item.path):
                return Entry(name, 0, os.readlink(item.path), refusal=BROKEN_LINK)
        if item.is_dir():
            return None
        try:
            return self._entry(name, item.stat())
        except FileNotFoundError:
            return Entry(name, 0, "", refusal=ObjectGone.reason)

    def _entry(self, name: str, status: os.stat_result) -> Entry:
        if not stat.S_ISREG(status.st_mode):
            return Entry(name, 0, "", refusal=NOT_A_FILE)
        return Entry(name, status.st_size, f"mtime:{status.st_mtime_ns}")

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._real or real.startswith(self._real.rstrip("/") + "/")


class SingleFile(Folder):
    """A table as a place with one object, named like the file.

    What it lists stands in its folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self.uri = str(path)
        self._path = path

    def entries(self) -> list[Entry]:
        """See `Place.entries`."""
        return [self._entry(self._path.name, self._path.stat())]


def _read(path: Path, count: int) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(count)
    except FileNotFoundError as error:
        raise ObjectGone("it is gone") from error
    except OSError as error:
        raise ObjectUnreadable(str(error.strerror or error)) from error
