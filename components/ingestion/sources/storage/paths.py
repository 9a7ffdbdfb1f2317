"""Names of objects as paths: their parts, and which lead out of the source or are hidden."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pnm",
    }
)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)
JSON_LINES_SUFFIXES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".csv", *JSON_LINES_SUFFIXES)


def ending_with(suffixes: Iterable[str]) -> str:
    """Pattern (RE2) of the names that end with one of them, in upper or lower case."""
    return rf"(?i)({'|'.join(suffix.replace('.', '[.]') for suffix in sorted(suffixes))})$"


def is_image(name: str) -> bool:
    """Return whether a name ends like an image's."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def is_archive(name: str) -> bool:
    """Return whether a name ends like an archive's."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def is_table(name: str) -> bool:
    """Return whether a name ends like a table's."""
    return name.lower().endswith(TABLE_SUFFIXES)


def is_hidden(name: str) -> bool:
    """Whether a part of the path starts with a dot, or is where macOS keeps its notes."""
    if "." not in name and "__MACOSX" not in name:
        return False
    path = name.replace("\\", "/")
    return any(
        (part.startswith(".") and part not in (".", "..")) or part == "__MACOSX"
        for part in path.split("/")
    )


def parts(name: str) -> tuple[str, ...] | None:
    """Return the folders and the file name of a path, or None for one that leads out of its source."""
    path = name.replace("\\", "/")  # archives made on Windows
    found = path.split("/")
    if ":" not in path and "" not in found and "." not in found and ".." not in found:
        return tuple(found)  # as almost all are
    if path.startswith("/") or ".." in found or re.match(r"[A-Za-z]:", path):
        return None
    return tuple(part for part in found if part not in ("", "."))


def readable(name: str) -> str:
    """Return a name as valid Unicode: a disk may hold names that aren't."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
