"""What the stores in buckets have in common.

Objects written whole, and trees whose marker goes last.

A bucket has neither folders nor renames. A tree counts from the moment that its marker stands, and
the marker is written only where none does: of several writers of one tree the first stays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import ConflictError, ContractError, EnvironmentProblem, InputError
from components.shared.retry import Retry
from components.shared.store.interface import Entry


class BucketStore(ABC):
    """See `components.shared.store.interface.Store`.

    Args:
        uri: ``scheme://bucket`` or ``scheme://bucket/prefix``.
        retry: how long a call is repeated that fails for a passing reason.
    """

    def __init__(self, uri: str, retry: Retry | None = None) -> None:
        self.retry = retry or Retry()
        scheme, _, rest = uri.partition("://")
        self._bucket_name, _, prefix = rest.partition("/")
        if not self._bucket_name:
            raise InputError(
                f"{uri} names no bucket", expected=f"{scheme}://bucket or {scheme}://bucket/prefix"
            )
        self.uri = uri.rstrip("/")
        self._prefix = prefix.strip("/")

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """See `Store.read`."""

    @abstractmethod
    def write(self, key: str, content: bytes) -> None:
        """See `Store.write`."""

    @abstractmethod
    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        """See `Store.compare_and_set`."""

    @abstractmethod
    def scan(self, prefix: str) -> Iterator[Entry]:
        """See `Store.scan`."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """See `Store.delete`."""

    def list(self, prefix: str) -> Iterator[str]:
        """See `Store.list`."""
        for entry in self.scan(prefix):
            yield entry.key

    def put_tree(self, folder: Path, key: str, marker: str, growing: Iterable[str] = ()) -> None:
        """See `Store.put_tree`."""
        list(growing)
        if self.read(f"{key}/{marker}") is not None:
            return
        for path in sorted(
            path for path in folder.rglob("*") if path.is_file() and path != folder / marker
        ):
            self.write(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        try:
            self.compare_and_set(f"{key}/{marker}", None, (folder / marker).read_bytes())
        except ConflictError:
            return  # someone else was first, with the same content

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        """See `Store.get_tree`."""
        folder = cache.joinpath(*key.split("/"))
        if (folder / marker).is_file():
            return folder
        last = self.read(f"{key}/{marker}")
        if last is None:
            raise ContractError(
                f"{self.location(key)} is missing or incomplete", expected=f"a folder with {marker}"
            )
        for name in self.list(key):
            content = self.read(name)
            if content is not None and name != f"{key}/{marker}":
                write_atomically(cache.joinpath(*name.split("/")), content)
        write_atomically(folder / marker, last)
        return folder

    def delete_tree(self, key: str, marker: str) -> None:
        """See `Store.delete_tree`."""
        self.delete(f"{key}/{marker}")
        for name in list(self.list(key)):
            self.delete(name)

    def sweep(self, before: float) -> int:
        """See `Store.sweep`."""
        return 0  # an upload that was cut off leaves no object

    def location(self, key: str) -> str:
        """See `Store.location`."""
        return f"{self.uri}/{key}"

    def _name(self, key: str) -> str:
        """Name of a key's object in the bucket. Raises InputError for what isn't a key."""
        if ".." in key.split("/") or key.startswith("/"):
            raise InputError(f"{key!r} isn't a key", expected="a relative path without ..")
        return f"{self._prefix}/{key}" if self._prefix else key

    def _folder(self, prefix: str) -> str:
        """Beginning of the names of all objects below ``prefix/``; empty for the whole bucket."""
        name = self._name(prefix).strip("/")
        return f"{name}/" if name else ""

    def _key(self, name: str) -> str:
        return name[len(self._prefix) + 1 :] if self._prefix else name

    def _problem(self, verb: str, key: str, error: Exception) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"can't {verb} {self.location(key)}: {' '.join(str(error).split())}",
            fix="check the bucket's name, its permissions and the connection",
        )
