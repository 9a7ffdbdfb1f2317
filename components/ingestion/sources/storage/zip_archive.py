"""A zip archive as a place. Nothing is ever extracted under a name that the archive chose.

Members are read by the place of their local header, so a process that reads some needs no directory
of all.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from components.ingestion.sources.storage.storage import Entry, ObjectUnreadable
from components.shared.errors import EnvironmentProblem, InputError

if TYPE_CHECKING:
    import pyarrow as pa

# What damaged, encrypted or exotic members raise.
_MEMBER_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OSError,
)
_LOCAL = struct.Struct("<4s2x2H16x2H")
_LZMA = struct.Struct("<2xHBL")
_ENCRYPTED = 1
_CHUNK = 1 << 20
_MOST = 1 << 24  # of what is unpacked at once


class _Inflater:
    """zlib's decompressor with the methods of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class Archive:
    """See `components.ingestion.sources.storage.storage.ObjectPlace`.

    Args:
        path: of the archive; its name is what people see.
        opener: opens it as a seekable stream; by default from the disk.
    """

    origin = ""

    def __init__(
        self, path: Path, uri: str = "", opener: Callable[[], BinaryIO] | None = None
    ) -> None:
        self.path = path
        self.uri = uri or str(path)
        self._opener: Callable[[], BinaryIO] = opener or (lambda: path.open("rb"))
        self._stream: BinaryIO | None = None

    def __del__(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def columns(self) -> pa.Table:
        """Return the entries as rows of `components.ingestion.sources.layouts.columns.LISTED`.

        Raises as `entries` does.
        """
        from components.ingestion.sources.storage.zip_directory import members

        try:
            return members(self._open())
        except (zipfile.BadZipFile, struct.error) as error:
            raise InputError(
                f"{self.uri} isn't a zip archive ({error})",
                expected="a complete .zip",
                fix="download or pack it again",
            ) from error

    def entries(self) -> list[Entry]:
        """See `Place.entries`."""
        from components.ingestion.sources.layouts.columns import entries_of

        return list(entries_of(self.columns()))

    def lookup(self, names: Iterable[str]) -> dict[str, Entry]:
        """See `Place.lookup`."""
        return among(self.entries(), names)

    def read(self, entry: Entry) -> bytes:
        """See `Place.read`."""
        return b"".join(self._chunks(entry))

    def head(self, entry: Entry, count: int) -> bytes:
        """See `Place.head`."""
        content = b""
        for chunk in self._chunks(entry):
            content += chunk
            if len(content) >= count:
                break
        return content[:count]

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """See `Place.fetch`."""
        target = folder / f"member-{entry.handle}"
        with open(target, "wb") as sink:
            for chunk in self._chunks(entry):
                sink.write(chunk)
        return target

    def _chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yield a member's content, never more than the size that the directory states, which the caller has checked."""
        try:
            left, crc = entry.size, 0
            for chunk in self._unpacked(entry):
                left, crc = left - len(chunk), zlib.crc32(chunk, crc)
                if left <= 0:
                    _compare(crc, left, entry)
                yield chunk
            if left > 0 or not entry.size:
                _compare(crc, left, entry)
        except _MEMBER_ERRORS as error:
            raise ObjectUnreadable(f"{type(error).__name__}: {error}") from error

    def _unpacked(self, entry: Entry) -> Iterator[bytes]:
        stream = self._open()
        stream.seek(entry.handle)
        signature, flags, method, name, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
        if signature != b"PK\3\4":
            raise zipfile.BadZipFile("Bad magic number for file header")
        if flags & _ENCRYPTED:
            raise ValueError("it is encrypted")
        place = stream.seek(entry.handle + _LOCAL.size + name + extra)
        unpacker, begins = _unpacker(method, stream, entry.size)
        place += begins
        left = entry.size
        while left > 0 and not (unpacker and unpacker.eof):
            packed = b""
            if unpacker is None or unpacker.needs_input:
                stream.seek(place)  # another member may have been read meanwhile
                packed = stream.read(min(left + 1024, _CHUNK) if unpacker else min(left, _CHUNK))
                place += len(packed)
                if not packed:
                    raise EOFError("the archive is cut off")
            chunk = unpacker.decompress(packed, min(left, _MOST)) if unpacker else packed
            left -= len(chunk)
            yield chunk

    def _open(self) -> BinaryIO:
        if self._stream is None:
            try:
                self._stream = self._opener()
            except OSError as error:
                raise EnvironmentProblem(
                    f"can't open {self.uri}: {error.strerror or error}", fix="check its permissions"
                ) from error
        return self._stream


def _unpacker(
    method: int, stream: BinaryIO, size: int
) -> tuple[_Inflater | bz2.BZ2Decompressor | lzma.LZMADecompressor | None, int]:
    """Return what unpacks a member of so many bytes (None where it is stored), and how many bytes at its beginning say how."""
    if method == zipfile.ZIP_STORED:
        return None, 0
    if method == zipfile.ZIP_DEFLATED:
        return _Inflater(), 0
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor(), 0
    if method != zipfile.ZIP_LZMA:
        raise ValueError(
            f"it is packed by method {method}; stored, deflated, bzip2 and LZMA members are read"
        )
    # APPNOTE.TXT, section 5.8.8: a version, the length of the properties, and those as LZMA's own
    # format has them.
    length, literals, dictionary = _LZMA.unpack(stream.read(_LZMA.size))
    rest, lc = divmod(literals, 9)
    pb, lp = divmod(rest, 5)
    # More of a dictionary than the content has bytes is never looked at, and would be memory that
    # the archive chooses.
    properties = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": min(dictionary, max(size, 4096)),
        "lc": lc,
        "lp": lp,
        "pb": pb,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties]), 4 + length


def among(entries: Iterable[Entry], names: Iterable[str]) -> dict[str, Entry]:
    """Those of the names that stand among the entries.

    Of a name that stands there twice the first counts.
    """
    wanted = set(names)
    found: dict[str, Entry] = {}
    for entry in entries:
        name = entry.name.replace("\\", "/").removeprefix("./")
        if name in wanted:
            found.setdefault(name, entry)
    return found


def _compare(crc: int, left: int, entry: Entry) -> None:
    if left or f"crc:{crc:08x}" != entry.checksum:
        raise zipfile.BadZipFile("its content isn't what the directory states")
