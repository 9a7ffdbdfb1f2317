"""Places in a bucket, whoever's it is.

A prefix as a folder, a table, and a .zip or .tar object as an archive.
"""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from components.ingestion.decode.progress import watching
from components.ingestion.sources.storage import paths
from components.ingestion.sources.storage.storage import Entry
from components.ingestion.sources.storage.tar_archive import Tarball
from components.ingestion.sources.storage.zip_archive import Archive
from components.shared.errors import InputError

SHOWN_BYTES = 10_000_000  # a download from this size on shows its progress
PIECE_BYTES = (
    16_000_000  # so much is asked for at once, and asked for again when a connection breaks
)
WINDOW_BYTES = 1_000_000


class Objects(Protocol):
    """The objects of one bucket, by their full names, through its provider's own client.

    What fails for a passing reason is repeated (`components.shared.retry`). A read is pinned to the
    version that was listed.

    Raises (all methods):
        EnvironmentProblem: the bucket can't be reached or read.
    """

    def listed(self, prefix: str) -> Iterator[Entry]:
        """Every object whose name starts with ``prefix``."""

    def found(self, name: str) -> Entry | None:
        """Return the object of that name, or None."""

    def content(self, entry: Entry, start: int, count: int) -> bytes:
        """``count`` bytes from ``start``, within the object's size.

        Raises:
            ObjectGone: it isn't there any more. InputError: it was replaced after it was listed.
        """


def open_bucket(uri: str, objects: Objects) -> Bucket | RemoteZip | RemoteTar:
    """Return the place that a URI ``scheme://bucket/path`` means."""
    path = uri.partition("://")[2].partition("/")[2].strip("/")
    if path.lower().endswith(".zip"):
        return RemoteZip(uri, objects, path)
    return RemoteTar(uri, objects, path) if paths.is_archive(path) else Bucket(uri, objects, path)


def bucket_of(uri: str) -> str:
    """Return the bucket's name. Raises InputError where the URI has none."""
    name = uri.partition("://")[2].partition("/")[0]
    if not name:
        scheme = uri.partition("://")[0]
        raise InputError(
            f"{uri} names no bucket", expected=f"{scheme}://bucket or {scheme}://bucket/prefix"
        )
    return name


class Bucket:
    """See `components.ingestion.sources.storage.storage.ObjectPlace`."""

    def __init__(self, uri: str, objects: Objects, path: str) -> None:
        self.uri = uri.rstrip("/")
        self._objects = objects
        self._path = path
        self._single = paths.is_table(path)
        # Of a single object the folder is cut off, of a prefix all of it: names are relative.
        self._root = posixpath.dirname(path) if self._single else path
        scheme, _, rest = self.uri.partition("://")
        self.origin = f"{scheme}://{posixpath.join(rest.partition('/')[0], self._root)}"

    def entries(self) -> list[Entry]:
        """See `Place.entries`."""
        if self._single:
            return [
                _existing(self._objects, self._path, self.uri)._replace(
                    name=posixpath.basename(self._path)
                )
            ]
        found = [
            self._relative(entry)
            for entry in self._objects.listed(self._full(""))
            if not entry.name.endswith("/")
        ]
        if not found:
            raise _missing(self.uri, "objects below that prefix", "check the bucket and the prefix")
        return found

    def lookup(self, names: Iterable[str]) -> dict[str, Entry]:
        """See `Place.lookup`."""
        wanted = set(names)
        # One listing of what they share costs less than a question per name.
        listed = self._objects.listed(self._full(os.path.commonprefix([*wanted]))) if wanted else ()  # noqa: RUF071
        return {entry.name: entry for entry in map(self._relative, listed) if entry.name in wanted}

    def read(self, entry: Entry) -> bytes:
        """See `Place.read`."""
        return self.head(entry, entry.size)

    def head(self, entry: Entry, count: int) -> bytes:
        """See `Place.head`."""
        whole = entry._replace(name=self._full(entry.name))
        return self._objects.content(whole, 0, min(count, entry.size)) if entry.size else b""

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """See `Place.fetch`."""
        return _download(
            self._objects, entry._replace(name=self._full(entry.name)), folder / "object"
        )

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}" if self._root else name

    def _relative(self, entry: Entry) -> Entry:
        return entry._replace(name=entry.name[len(self._root) + 1 :]) if self._root else entry


class RemoteZip(Archive):
    """A zip in a bucket. Its directory is listed in place.

    `localized` copies it to this machine before its members are read.
    """

    def __init__(self, uri: str, objects: Objects, name: str) -> None:
        super().__init__(Path(name), uri, partial(_stream, objects, name, uri))
        self._copy = partial(_copy, objects, name, uri)

    def localized(self, folder: Path) -> Archive:
        """Return the same archive as a local copy in ``folder``."""
        return Archive(self._copy(folder))


class RemoteTar(Tarball):
    """A tar in a bucket.

    It is read through once to be listed, and copied to this machine before its members are read.
    """

    def __init__(self, uri: str, objects: Objects, name: str) -> None:
        super().__init__(Path(name), uri, partial(_stream, objects, name, uri))
        self._copy = partial(_copy, objects, name, uri)

    def localized(self, folder: Path) -> Tarball:
        """Return the same archive as a local, plain copy in ``folder``."""
        return Tarball(self._copy(folder)).localized(folder)


class _Reader(io.RawIOBase):
    """An object as a seekable stream."""

    def __init__(self, objects: Objects, entry: Entry) -> None:
        self._objects = objects
        self._entry = entry
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = (
            offset
            + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._entry.size}[whence]
        )
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), self._entry.size - self._position)
        if count <= 0:
            return 0
        buffer[:count] = self._objects.content(self._entry, self._position, count)
        self._position += count
        return count


def _stream(objects: Objects, name: str, uri: str) -> BinaryIO:
    return cast(
        BinaryIO, io.BufferedReader(_Reader(objects, _existing(objects, name, uri)), WINDOW_BYTES)
    )


def _copy(objects: Objects, name: str, uri: str, folder: Path) -> Path:
    return _download(objects, _existing(objects, name, uri), folder / posixpath.basename(name))


def _download(objects: Objects, entry: Entry, target: Path) -> Path:
    with open(target, "wb") as sink, _shown(target, entry.size):
        for start in range(0, entry.size, PIECE_BYTES):
            sink.write(objects.content(entry, start, min(PIECE_BYTES, entry.size - start)))
            sink.flush()
    return target


def _existing(objects: Objects, name: str, uri: str) -> Entry:
    entry = objects.found(name)
    if entry is None:
        raise _missing(uri, "an existing object", "check the bucket and the name")
    return entry


def _missing(uri: str, expected: str, fix: str) -> InputError:
    return InputError(f"there is no source at {uri}", expected=expected, fix=fix)


def _shown(target: Path, size: int) -> AbstractContextManager[None]:
    if size < SHOWN_BYTES:
        return nullcontext()
    return watching(lambda: target.stat().st_size // 1_000_000, size // 1_000_000, "megabytes")
