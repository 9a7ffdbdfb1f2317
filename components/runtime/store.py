"""The store: one root that outlives runs, on a disk (also a mounted volume) or in a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.contracts.errors import ConflictError, InputError


@dataclass(frozen=True)
class Entry:
    """One value of the store. ``modified`` is when it was last written, in seconds since the epoch (UTC)."""

    key: str
    bytes: int
    modified: float


class Store(Protocol):
    """Keys are slash-separated, relative to the root; values are bytes.

    Raises (all methods):
        EnvironmentProblem: no space, no permission, no connection after retries.
    """

    uri: str

    def read(self, key: str) -> bytes | None:
        """The value, or None when there is none."""

    def write(self, key: str, content: bytes) -> None:
        """Write a value; seen whole or not at all."""

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        """Write ``content`` if the value is still ``expected`` (None: there is none).

        Raises:
            ConflictError: it isn't; nothing was changed.
        """

    def list(self, prefix: str) -> Iterator[str]:
        """Every key below ``prefix/``, sorted."""

    def scan(self, prefix: str) -> Iterator[Entry]:
        """`list` with size and time of every value."""

    def delete(self, key: str) -> None:
        """Remove a value; nothing happens where there is none."""

    def put_tree(self, folder: Path, key: str, marker: str, growing: Iterable[str] = ()) -> None:
        """Copy a folder to ``key/``, its file ``marker`` last. Copies nothing where the marker stands already.

        Args:
            growing: names of large files directly in the folder, each given as soon as it is whole and never written again
                (a disk links them); where they end the folder is complete. All of them are taken, whatever is copied.
        """

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        """A local folder with everything below ``key/``: the store's own on a disk, a copy in ``cache`` otherwise.

        Raises:
            ContractError: there is no complete tree at ``key``.
        """

    def delete_tree(self, key: str, marker: str) -> None:
        """Remove everything below ``key/``, its file ``marker`` first: what a kill leaves is no tree any more."""

    def sweep(self, before: float) -> int:
        """Remove what killed writers left half-written before that time (seconds since the epoch); bytes removed."""

    def location(self, key: str) -> str:
        """URI of a key, for people and for serving."""


def open_store(uri: str) -> Store:
    """The store at a path, or at a gs:// or s3:// URI.

    Raises:
        InputError: the scheme isn't one of these.
    """
    if uri.startswith("gs://"):
        from components.runtime.google_store import GoogleStore

        return GoogleStore(uri)
    if uri.startswith("s3://"):
        from components.runtime.s3_store import S3Store

        return S3Store(uri)
    if "://" in uri:
        raise InputError(f"can't open the store {uri}", expected="a folder, or a gs:// or s3:// URI")
    from components.runtime.disk_store import DiskStore

    return DiskStore(Path(uri))


def changed_meanwhile(key: str, expected: bytes | None, received: bytes | None) -> ConflictError:
    """What a compare-and-set raises that lost."""
    return ConflictError(
        f"{key} was changed by someone else",
        expected=_excerpt(expected),
        received=_excerpt(received),
        fix="run again: the next run compares with what stands there now",
    )


def _excerpt(content: bytes | None) -> str:
    return "nothing" if content is None else content.decode(errors="replace")[:200]
