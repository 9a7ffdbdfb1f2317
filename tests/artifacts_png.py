"""A PNG from the standard library, for environments without an imaging library."""

from __future__ import annotations

import random
import struct
import zlib


def encode_gray(height: int, width: int, rows: list[bytes]) -> bytes:
    """An 8-bit gray PNG of ``height`` rows of ``width`` bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def picture(seed: int, size: int = 24) -> bytes:
    """A PNG of seeded noise."""
    rng = random.Random(seed)
    return encode_gray(size, size, [rng.randbytes(size) for _ in range(size)])
