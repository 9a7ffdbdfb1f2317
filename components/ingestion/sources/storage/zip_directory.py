"""The central directory of a zip archive as columns.

What zipfile keeps of a member takes ten times the time and memory.

APPNOTE.TXT of PKWARE, sections 4.3.12 (central directory), 4.3.14 to 4.3.16 (its end, zip64) and
4.5.3 (zip64 sizes).
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.sources.layouts.columns import LISTED, table_of
from components.ingestion.sources.storage.storage import DEVICE, LINK

_END, _END_64, _LOCATOR = (
    struct.Struct("<4s4H2LH"),
    struct.Struct("<4sQ2H2L4Q"),
    struct.Struct("<4sLQL"),
)
_LENGTHS = struct.Struct("<3H")
_FIXED = 46
_UTF_8 = 0x800
_MAX_COMMENT = 65_535
_IN_EXTRA = 0xFFFFFFFF
_REGULAR, _SYMLINK = 0x8, 0xA  # S_IFREG and S_IFLNK, without their twelve lower bits


def members(stream: BinaryIO) -> pa.Table:
    """Every file of an archive: rows of `LISTED`, ``handle`` the place of its local header.

    Raises zipfile.BadZipFile.
    """
    shift, data = _directory(stream)
    raw = np.frombuffer(data, np.uint8)
    places = _places(data, raw)
    fixed = (
        np.lib.stride_tricks.sliding_window_view(raw, _FIXED)[places]
        if len(places)
        else np.zeros((0, _FIXED), np.uint8)
    )
    flags, crc, packed = _field(fixed, 8, "<u2"), _field(fixed, 16, "<u4"), _field(fixed, 20, "<u4")
    size, offset = (
        _field(fixed, 24, "<u4").astype(np.int64),
        _field(fixed, 42, "<u4").astype(np.int64),
    )
    for row in np.flatnonzero((size == _IN_EXTRA) | (offset == _IN_EXTRA) | (packed == _IN_EXTRA)):
        size[row], offset[row] = _large(data, int(places[row]), int(size[row]), int(offset[row]))
    kind = (
        _field(fixed, 38, "<u4") >> 28
    )  # of the file, as Unix has it; nothing where another system packed it
    refusal = np.where(
        kind == _SYMLINK, 1, np.where((kind == 0) | (kind == _REGULAR), 0, 2)
    ).astype(np.int32)
    columns = {
        "name": _names(data, places + _FIXED, _field(fixed, 28, "<u2"), flags),
        "size": pa.array(size),
        "checksum": _checksums(crc),
        "handle": pa.array(offset + shift),
        "refusal": pa.DictionaryArray.from_arrays(pa.array(refusal), ["", LINK, DEVICE]),
    }
    table = table_of(columns, LISTED)
    folders = pc.ends_with(table["name"], b"/")
    return table.filter(pc.invert(folders)) if pc.any(folders).as_py() else table


def _places(data: bytes, raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Where in the directory each member is told of."""
    # Where each signature begins a member, as nearly always, nobody need walk from one to the next.
    found = np.flatnonzero(raw[: max(0, len(raw) - _FIXED + 1)] == ord("P"))
    for at, byte in enumerate(b"K\1\2", 1):
        found = found[raw[found + at] == byte]
    following = found + _FIXED
    for at in (28, 30, 32):
        following += raw[found + at] + raw[found + at + 1].astype(np.int64) * 256
    if (
        len(found)
        and found[0] == 0
        and np.array_equal(following[:-1], found[1:])
        and following[-1] >= len(data)
    ):
        return found
    places: list[int] = []
    place, end = 0, len(data)
    while place < end:
        if data[place : place + 4] != b"PK\1\2" or place + _FIXED > end:
            raise zipfile.BadZipFile("Bad magic number for central directory")
        places.append(place)
        place += _FIXED + sum(_LENGTHS.unpack_from(data, place + 28))
    return np.array(places, np.int64)


def _names(
    data: bytes,
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.uint32],
    flags: npt.NDArray[np.uint32],
) -> pa.Array:
    """Return the names that stand at these places, in UTF-8."""
    # Cut at the start and at the end of each name, the directory is an array of which every other
    # element is one.
    cuts = np.minimum(np.stack([starts, starts + lengths], axis=1).ravel(), len(data)).astype(
        np.int32
    )
    pieces = pa.BinaryArray.from_buffers(
        pa.binary(), max(0, len(cuts) - 1), [None, pa.py_buffer(cuts), pa.py_buffer(data)]
    )
    names = pieces.take(pa.array(np.arange(0, len(pieces), 2)))
    letters = np.frombuffer(names.buffers()[2] or b"", np.uint8)
    if not ((letters == 0) | (letters > 127)).any():
        return names  # as nearly always
    odd = pc.or_(
        pc.invert(pc.string_is_ascii(names.view(pa.string()))), pc.match_substring(names, b"\0")
    )
    rows = np.flatnonzero(odd.to_numpy(zero_copy_only=False))
    plain = [_name(names[row].as_py(), utf_8=bool(flags[row] & _UTF_8)) for row in rows.tolist()]
    return pc.replace_with_mask(names, odd, pa.array(plain, pa.binary()))


def _checksums(crc: npt.NDArray[np.uint32]) -> pa.Array:
    """``crc:`` and eight hex digits each."""
    texts = np.empty((len(crc), 12), np.uint8)
    texts[:, :4] = np.frombuffer(b"crc:", np.uint8)
    texts[:, 4:] = np.frombuffer(crc.astype(">u4").tobytes().hex().encode(), np.uint8).reshape(
        -1, 8
    )
    ends = np.arange(len(crc) + 1, dtype=np.int32) * 12
    return pa.StringArray.from_buffers(len(crc), pa.py_buffer(ends), pa.py_buffer(texts))


def _directory(stream: BinaryIO) -> tuple[int, bytes]:
    """How far offsets are off, since something may stand before the archive.

    And the directory's bytes.
    """
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - _MAX_COMMENT)
    stream.seek(start)
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("File is not a zip file")
    length, offset = _END.unpack_from(tail, at)[5:7]
    end = start + at
    locator = end - _LOCATOR.size
    if locator >= 0:
        stream.seek(locator)
        found = _LOCATOR.unpack(stream.read(_LOCATOR.size))
        if found[0] == b"PK\6\7" and locator >= _END_64.size:
            end = locator - _END_64.size
            stream.seek(end)
            large = _END_64.unpack(stream.read(_END_64.size))
            if large[0] != b"PK\6\6":
                raise zipfile.BadZipFile("the end of its zip64 directory is damaged")
            length, offset = large[8:10]
    begins = end - length
    if begins < 0 or begins < offset:
        raise zipfile.BadZipFile("Bad offset for central directory")
    stream.seek(begins)
    return begins - offset, stream.read(length)


def _field(fixed: npt.NDArray[np.uint8], at: int, kind: str) -> npt.NDArray[np.uint32]:
    return (
        np.ascontiguousarray(fixed[:, at : at + np.dtype(kind).itemsize])
        .view(kind)[:, 0]
        .astype(np.uint32)
    )


def _name(name: bytes, *, utf_8: bool) -> bytes:
    name = name.partition(b"\0")[0]
    return name if utf_8 else name.decode("cp437").encode()


def _large(data: bytes, place: int, size: int, offset: int) -> tuple[int, int]:
    """Size and offset of a member, of which some stand in its zip64 field."""
    packed = struct.unpack_from("<L", data, place + 20)[0]
    name, length, _ = _LENGTHS.unpack_from(data, place + 28)
    extra = data[place + _FIXED + name : place + _FIXED + name + length]
    while len(extra) >= 4:
        kind, count = struct.unpack_from("<2H", extra)
        if kind == 1:
            values = [int.from_bytes(extra[at : at + 8], "little") for at in range(4, 4 + count, 8)]
            try:
                size = values.pop(0) if size == _IN_EXTRA else size
                _ = values.pop(0) if packed == _IN_EXTRA else 0
                offset = values.pop(0) if offset == _IN_EXTRA else offset
            except IndexError as error:
                raise zipfile.BadZipFile("Corrupt zip64 extra field") from error
            return size, offset
        extra = extra[4 + count :]
    return size, offset
