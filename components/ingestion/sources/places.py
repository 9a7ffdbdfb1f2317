"""Places that hold a source's objects: what they have in common, and which one a URI means."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.contracts.errors import EnvironmentProblem, InputError


@dataclass(frozen=True)
class Entry:
    """One object of a place.

    Attributes:
        name: path inside the place, as the place spells it.
        size: bytes when read, as the place states them.
        checksum: changes when the content does: a CRC, a generation, or a time of change.
        handle: how the place finds the object again where a name isn't enough.
    """

    name: str
    size: int
    checksum: str
    handle: int = 0


class ObjectUnreadable(Exception):
    """One object of a place can't be read; the others may well be."""


class Place(Protocol):
    """Where objects stand. Opened once per process; not shared between threads."""

    uri: str

    def entries(self) -> list[Entry]:
        """Every object, in no particular order.

        Raises:
            InputError: the place isn't what its URI says. EnvironmentProblem: it can't be reached.
        """

    def read(self, entry: Entry) -> bytes:
        """The whole content of an object. Raises ObjectUnreadable, EnvironmentProblem."""

    def head(self, entry: Entry, count: int) -> bytes:
        """At most the first ``count`` bytes of an object. Raises ObjectUnreadable, EnvironmentProblem."""

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """A local file with an object's content: its own, or a copy in ``folder``. Raises as `read` does."""


def open_place(uri: str) -> Place:
    """The place that a path or a gs:// URI means.

    Raises:
        InputError: there is nothing at the path, or nothing that can be a source.
    """
    if uri.startswith("gs://"):
        from components.ingestion.sources.bucket import open_bucket

        return open_bucket(uri)
    if "://" in uri:
        raise InputError(f"can't read the source {uri}", expected="a folder, a .zip, a .csv, or gs://bucket/prefix")
    from components.ingestion.sources.archive import Archive
    from components.ingestion.sources.folder import Folder, SingleFile

    if not uri:
        raise InputError("no source is named", expected="--source with a folder, a .zip, a .csv, or gs://bucket/prefix")
    path = Path(os.path.abspath(os.path.expanduser(uri)))
    if not _exists(path):
        raise InputError(f"there is no source at {uri}", expected="an existing folder, .zip or .csv", fix="check the path")
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() == ".csv":
        return SingleFile(path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return Archive(path)
    raise InputError(f"can't read the source {uri}", expected="a folder, a .zip or a .csv", received=f"a file {path.name}")


def localized(place: Place, folder: Path) -> Place:
    """The same place on this machine: an archive in a bucket is copied into ``folder``, any other stays as it is."""
    copy = getattr(place, "localized", None)
    return copy(folder) if copy is not None else place


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EnvironmentProblem(f"can't read the source {path}: {error.strerror}", fix="check its permissions") from error
    return True
