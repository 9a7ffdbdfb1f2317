"""A zip archive as a place. Nothing is ever extracted under a name that the archive chose."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from components.contracts.errors import EnvironmentProblem, InputError
from components.ingestion.sources.places import Entry, ObjectUnreadable

# What zipfile raises on damaged, encrypted or exotic members.
_MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError, OSError)

LINK = "link"
DEVICE = "device"


class Archive:
    """See `components.ingestion.sources.places.ObjectPlace`.

    Args:
        path: of the archive; its name is what people see.
        opener: opens it as a seekable stream; by default from the disk.
    """

    origin = ""

    def __init__(self, path: Path, uri: str = "", opener: Callable[[], BinaryIO] | None = None) -> None:
        self.path = path
        self.uri = uri or str(path)
        self._opener = opener
        self._archive: zipfile.ZipFile | None = None

    def entries(self) -> list[Entry]:
        return [
            Entry(member.filename, member.file_size, f"crc:{member.CRC:08x}", index, _refusal(member))
            for index, member in enumerate(self._open().infolist())
            if not member.is_dir()
        ]

    def lookup(self, names: Iterable[str]) -> dict[str, Entry]:
        return among(self.entries(), names)

    def read(self, entry: Entry) -> bytes:
        return self.head(entry, -1)

    def head(self, entry: Entry, count: int) -> bytes:
        archive = self._open()
        try:
            # zipfile never gives more than the size that the central directory states, which the caller has checked.
            with archive.open(archive.infolist()[entry.handle]) as stream:
                return stream.read(count)
        except _MEMBER_ERRORS as error:
            raise ObjectUnreadable(f"{type(error).__name__}: {error}") from error

    def fetch(self, entry: Entry, folder: Path) -> Path:
        archive = self._open()
        target = folder / f"member-{entry.handle}"
        with open(target, "wb") as sink:
            for chunk in _chunks(archive, archive.infolist()[entry.handle]):
                sink.write(chunk)
        return target

    def _open(self) -> zipfile.ZipFile:
        if self._archive is None:
            try:
                self._archive = zipfile.ZipFile(self._opener() if self._opener else self.path)
            except zipfile.BadZipFile as error:
                raise InputError(
                    f"{self.uri} isn't a zip archive ({error})", expected="a complete .zip", fix="download or pack it again"
                ) from error
            except OSError as error:
                raise EnvironmentProblem(f"can't open {self.uri}: {error.strerror or error}", fix="check its permissions") from error
        return self._archive


def among(entries: Iterable[Entry], names: Iterable[str]) -> dict[str, Entry]:
    """Those of the names that stand among the entries; of a name that stands there twice the first counts."""
    wanted = set(names)
    found: dict[str, Entry] = {}
    for entry in entries:
        name = entry.name.replace("\\", "/").removeprefix("./")
        if name in wanted:
            found.setdefault(name, entry)
    return found


def _refusal(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)  # nothing where another system than Unix packed it
    return LINK if kind == stat.S_IFLNK else DEVICE if kind not in (0, stat.S_IFREG) else ""


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
    except _MEMBER_ERRORS as error:
        raise ObjectUnreadable(f"{type(error).__name__}: {error}") from error
