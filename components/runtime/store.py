"""The store: one root that outlives runs, on a disk (also a mounted volume) or in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from components.contracts.errors import InputError


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

    def put_tree(self, folder: Path, key: str, marker: str) -> None:
        """Copy a folder to ``key/``, its file ``marker`` last. Does nothing where the marker stands already."""

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        """A local folder with everything below ``key/``: the store's own on a disk, a copy in ``cache`` otherwise.

        Raises:
            ContractError: there is no complete tree at ``key``.
        """

    def location(self, key: str) -> str:
        """URI of a key, for people and for serving."""


def open_store(uri: str) -> Store:
    """The store at a path or a gs:// URI.

    Raises:
        InputError: the scheme isn't one of these.
    """
    if uri.startswith("gs://"):
        from components.runtime.google_store import GoogleStore

        return GoogleStore(uri)
    if "://" in uri:
        raise InputError(f"can't open the store {uri}", expected="a folder or a gs:// URI")
    from components.runtime.disk_store import DiskStore

    return DiskStore(Path(uri))
