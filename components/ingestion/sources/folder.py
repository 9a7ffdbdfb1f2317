"""Places on a disk: a folder with everything below it, and a single file."""

from __future__ import annotations

import os
from pathlib import Path

from components.contracts.errors import EnvironmentProblem
from components.ingestion.sources.places import Entry, ObjectUnreadable


class Folder:
    """See `components.ingestion.sources.places.Place`. Links are followed; a loop of links is walked once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)

    def entries(self) -> list[Entry]:
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
                        if item.is_dir():
                            waiting.append((f"{prefix}{item.name}/", item.path))
                        elif item.is_file():
                            found.append(_entry(prefix + item.name, item.stat()))
            except OSError as error:
                raise EnvironmentProblem(f"can't list {path}: {error.strerror}", fix="check its permissions") from error
        return found

    def read(self, entry: Entry) -> bytes:
        return _read(self.root / entry.name, -1)

    def head(self, entry: Entry, count: int) -> bytes:
        return _read(self.root / entry.name, count)

    def fetch(self, entry: Entry, folder: Path) -> Path:
        return self.root / entry.name


class SingleFile(Folder):
    """A place with one object, named like the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self.uri = str(path)
        self._path = path

    def entries(self) -> list[Entry]:
        return [_entry(self._path.name, self._path.stat())]


def _entry(name: str, status: os.stat_result) -> Entry:
    return Entry(name, status.st_size, f"mtime:{status.st_mtime_ns}")


def _read(path: Path, count: int) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise ObjectUnreadable(str(error.strerror or error)) from error
