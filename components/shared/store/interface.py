"""The store.

One root that outlives runs, on a disk, on a volume that a cluster's pods mount, or in a bucket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.shared.errors import ConflictError, EnvironmentProblem, InputError
from components.shared.retry import Retry

CLAIM = "pvc://"
CLAIMS = Path("/mnt/emotion")  # each claim is mounted in a folder of its own name here
# Of a compare-and-set that lost: each time somebody else's change went through, so it is soon worth
# trying again.
CONTENTION = Retry(deadline_seconds=60.0, first_wait_seconds=0.05, longest_wait_seconds=2.0)


@dataclass(frozen=True)
class Entry:
    """One value of the store.

    ``modified`` is when it was last written, in seconds since the epoch (UTC).
    """

    key: str
    bytes: int
    modified: float


class Store(Protocol):
    """Keys are slash-separated, relative to the root; values are bytes.

    Raises (all methods):
        EnvironmentProblem: no space, no permission, no answer until the deadline of
            `components.shared.retry.Retry`.
    """

    uri: str

    def read(self, key: str) -> bytes | None:
        """Return the value, or None when there is none."""

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
        """Copy a folder to ``key/``, its file ``marker`` last.

        Copies nothing where the marker stands already.

        Args:
            growing: names of large files directly in the folder, each given as soon as it is whole
                and never written again (a disk links them); where they end the folder is complete.
                All of them are taken, whatever is copied.
        """

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        """Return a local folder with everything below ``key/``.

        The store's own on a disk, a copy in ``cache`` otherwise.

        Raises:
            ContractError: there is no complete tree at ``key``.
        """

    def delete_tree(self, key: str, marker: str) -> None:
        """Remove everything below ``key/``, its file ``marker`` first.

        What a kill leaves is no tree any more.
        """

    def sweep(self, before: float) -> int:
        """Remove what killed writers left half-written before that time (seconds since the epoch).

        Bytes removed.
        """

    def location(self, key: str) -> str:
        """URI of a key, for people and for serving."""


def open_store(uri: str, claims: Path = CLAIMS, retry: Retry | None = None) -> Store:
    """Return the store at a path, or at a gs://, s3:// or pvc:// URI.

    A disk's sets the umask of the process: what everybody could write into is no store
    (`close_to_others`).

    Args:
        claims: where this machine mounts PersistentVolumeClaims.
        retry: of a bucket's passing faults; the default where it is left out.

    Raises:
        InputError: the scheme isn't one of these. EnvironmentProblem: the claim isn't mounted here.
    """
    if uri.startswith("gs://"):
        from components.shared.store.google import GoogleStore

        return GoogleStore(uri, retry)
    if uri.startswith("s3://"):
        from components.shared.store.s3 import S3Store

        return S3Store(uri, retry)
    from components.shared.store.disk import DiskStore, close_to_others

    close_to_others()
    if uri.startswith(CLAIM):
        return DiskStore(claim_folder(uri, claims), uri.rstrip("/"))
    if "://" in uri:
        raise InputError(
            f"can't open the store {uri}", expected="a folder, or a gs://, s3:// or pvc:// URI"
        )
    return DiskStore(Path(uri))


def claim_of(uri: str) -> str:
    """Return the PersistentVolumeClaim that a pvc://CLAIM/path means, as KServe writes it too.

    Empty for any other URI. Raises InputError.
    """
    if not uri.startswith(CLAIM):
        return ""
    found = re.fullmatch(r"pvc://([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)((?:/[^/]+)*)/?", uri)
    if found is None or {".", ".."} & set(found[2].split("/")):
        raise InputError(
            f"{uri} names no folder of a claim",
            expected="pvc://CLAIM or pvc://CLAIM/path, CLAIM a Kubernetes name",
        )
    return found[1]


def claim_folder(uri: str, claims: Path = CLAIMS) -> Path:
    """Where a pod finds what a pvc://CLAIM/path means.

    Raises:
        InputError: the URI is malformed. EnvironmentProblem: the claim isn't mounted here.
    """
    mounted = claims / claim_of(uri)
    if not mounted.is_dir():
        raise EnvironmentProblem(
            f"the claim {mounted.name} isn't mounted here",
            expected=f"its volume at {mounted}",
            received=uri,
            fix=(
                "run it in a pod that mounts it there, or name the folder where this machine has"
                " the volume"
            ),
        )
    return mounted / uri.removeprefix(f"{CLAIM}{mounted.name}").strip("/")


def update(
    store: Store,
    key: str,
    change: Callable[[bytes | None], bytes | None],
    retry: Retry = CONTENTION,
) -> bytes | None:
    """Replace a value by what ``change`` makes of it, again from what stands there where someone else was quicker.

    Args:
        change: from the value (None: there is none) to the new one; None, or the value itself, is
            never written. It may be called several times, and may raise to refuse.

    Returns:
        The new value.

    Raises:
        ConflictError: others kept changing it until the deadline of ``retry``.
    """

    def attempt() -> bytes | None:
        before = store.read(key)
        after = change(before)
        if after is not None and after != before:
            try:
                store.compare_and_set(key, before, after)
            except ConflictError as error:
                raise _Overtaken from error
        return after

    try:
        return retry.call(
            f"change {store.location(key)}",
            attempt,
            lambda error: "someone else was quicker" if isinstance(error, _Overtaken) else "",
        )
    except _Overtaken as overtaken:
        raise ConflictError(
            f"others kept changing {store.location(key)} for {retry.deadline_seconds:g} s",
            fix="run it again when fewer do",
        ) from overtaken


class _Overtaken(Exception):
    """A compare-and-set lost; not a ConflictError, which a change may raise to refuse."""


def changed_meanwhile(key: str, expected: bytes | None, received: bytes | None) -> ConflictError:
    """Return what a compare-and-set raises that lost."""
    return ConflictError(
        f"{key} was changed by someone else",
        expected=_excerpt(expected),
        received=_excerpt(received),
        fix="run again: the next run compares with what stands there now",
    )


def _excerpt(content: bytes | None) -> str:
    return "nothing" if content is None else content.decode(errors="replace")[:200]
