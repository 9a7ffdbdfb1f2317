"""A tar archive, compressed or not, as a place.

Nothing is ever extracted under a name that the archive chose.

A tar holds no directory and no checksums of its members, so it is read through once to list it, and
each member's CRC is taken on the way. Members are then read at their place in the plain tar: a
compressed one is unpacked into one local file first (`Tarball.localized`).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from components.ingestion.sources.storage.paths import is_table
from components.ingestion.sources.storage.storage import DEVICE, LINK, Entry, ObjectUnreadable
from components.ingestion.sources.storage.zip_archive import among
from components.shared.errors import EnvironmentProblem, InputError

# Unpacking stops where an archive grows by more than this: pictures hardly shrink when packed, and
# text by ten or so.
MAX_GROWTH = 200
GROWTH_FROM_BYTES = 2_000_000_000
HEADS = 20
HEAD_BYTES = 65_536
_BLOCK = 512
_CHUNK = 1 << 20


def _opened(path: Path) -> BinaryIO:
    return open(path, "rb")


def _gunzipped(stream: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=stream)


_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": _gunzipped,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


class Tarball:
    """See `components.ingestion.sources.storage.storage.ObjectPlace`.

    Args:
        path: of the archive; its name is what people see.
        opener: opens it as a stream; by default from the disk.
        size: of the archive in bytes where it isn't on the disk.
    """

    origin = ""

    def __init__(
        self, path: Path, uri: str = "", opener: Callable[[], BinaryIO] | None = None, size: int = 0
    ) -> None:
        self.path = path
        self.uri = uri or str(path)
        self._opener = opener or partial(_opened, path)
        self._size = size
        self._heads: dict[int, bytes] = {}

    def entries(self) -> list[Entry]:
        """See `Place.entries`."""
        found: list[Entry] = []
        try:
            with self._opener() as packed:
                plain = _Plain(packed, self._size or self.path.stat().st_size, self.uri)
                with tarfile.open(fileobj=cast(BinaryIO, plain), mode="r|") as archive:
                    while (member := archive.next()) is not None:
                        archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                        if not member.isdir():
                            found.append(self._entry(archive, member))
                plain.finish()
        except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
            raise _not_a_tar(self.uri, error) from error
        except OSError as error:
            # The decompressors report damage as an OSError without a number.
            raise (
                _not_a_tar(self.uri, error)
                if error.errno is None
                else _unreachable(self.uri, error)
            ) from error
        return found

    def lookup(self, names: Iterable[str]) -> dict[str, Entry]:
        """See `Place.lookup`."""
        return among(self.entries(), names)

    def read(self, entry: Entry) -> bytes:
        """See `Place.read`."""
        content = self._at(entry, entry.size)
        if len(content) != entry.size or f"crc:{zlib.crc32(content):08x}" != entry.checksum:
            raise ObjectUnreadable("the archive changed after it was listed")
        return content

    def head(self, entry: Entry, count: int) -> bytes:
        """See `Place.head`."""
        return (
            self._heads[entry.handle][:count]
            if entry.handle in self._heads
            else self._at(entry, min(count, entry.size))
        )

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """See `Place.fetch`."""
        target = folder / f"member-{entry.handle}"
        with open(target, "wb") as sink:
            for offset in range(0, entry.size, _CHUNK):
                sink.write(self._at(entry, min(_CHUNK, entry.size - offset), offset))
        return target

    def localized(self, folder: Path) -> Tarball:
        """Return the same archive, plain: this one, or unpacked into a file in ``folder``."""
        with self._opener() as packed:
            plain = _Plain(packed, self._size or self.path.stat().st_size, self.uri)
            if not plain.unpacks and self.path.is_file():
                return self
            target = folder / "source.tar"
            with open(target, "wb") as sink:
                while chunk := plain.read(_CHUNK):
                    sink.write(chunk)
        return Tarball(target)

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
        refusal = (
            LINK
            if member.issym() or member.islnk()
            else ""
            if member.isreg() and not member.issparse()
            else DEVICE
        )
        crc, head = 0, b""
        stream = None if refusal else archive.extractfile(member)
        while stream is not None and (chunk := stream.read(_CHUNK)):
            crc = zlib.crc32(chunk, crc)
            head = head or chunk[:HEAD_BYTES]
        if is_table(member.name) and len(self._heads) < HEADS:
            self._heads[member.offset_data] = head
        return Entry(
            member.name,
            0 if refusal else member.size,
            f"crc:{crc:08x}",
            member.offset_data,
            refusal,
        )

    def _at(self, entry: Entry, count: int, offset: int = 0) -> bytes:
        try:
            with self._opener() as plain:
                plain.seek(entry.handle + offset)
                return plain.read(count)
        except OSError as error:
            raise ObjectUnreadable(str(error.strerror or error)) from error


class _Plain:
    """The plain tar inside a stream, read forward, and no further than a decompression bomb's first gigabytes."""

    def __init__(self, packed: BinaryIO, size: int, uri: str) -> None:
        start = packed.read(6)
        packed.seek(0)
        opener = next(
            (opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None
        )
        self.unpacks = opener is not None
        self._stream = opener(packed) if opener else packed
        self._uri = uri
        self._left = max(GROWTH_FROM_BYTES, size * MAX_GROWTH)
        self._end = b""

    def read(self, count: int) -> bytes:
        chunk = self._stream.read(count)
        self._end = (self._end + chunk)[-_BLOCK:]
        self._left -= len(chunk)
        if self._left < 0:
            raise InputError(
                f"{self._uri} unpacks to more than {MAX_GROWTH} times its size",
                expected="an archive of images",
                fix="if it is no decompression bomb, unpack it and name the folder",
            )
        return chunk

    def finish(self) -> None:
        """Read to the end.

        Raises EOFError where the block of zeros that ends every tar is missing.
        """
        while self.read(_CHUNK):
            pass
        if self._end.strip(b"\0") or len(self._end) < _BLOCK:
            raise EOFError("its end is missing")


def _not_a_tar(uri: str, error: Exception) -> InputError:
    return InputError(
        f"{uri} isn't a tar archive ({error})",
        expected="a complete .tar, .tar.gz, .tar.bz2 or .tar.xz",
        fix="download or pack it again",
    )


def _unreachable(uri: str, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"can't open {uri}: {error.strerror or error}", fix="check its permissions"
    )
