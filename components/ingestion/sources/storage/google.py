"""Objects in Google Cloud Storage, through its own client.

What fails for a passing reason is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import requests
from google.api_core.exceptions import NotFound, PreconditionFailed

from components.ingestion.sources.storage.bucket import (
    Bucket,
    RemoteTar,
    RemoteZip,
    bucket_of,
    open_bucket,
)
from components.ingestion.sources.storage.storage import Entry, ObjectGone
from components.shared.errors import EnvironmentProblem, InputError
from components.shared.retry import Retry
from components.shared.store import google
from components.shared.store.google import FAILURES, ONCE, listed, passing_reason
from components.shared.text import shortened

T = TypeVar("T")


def open_google(uri: str) -> Bucket | RemoteZip | RemoteTar:
    """Return the place that a gs:// URI means."""
    return open_bucket(uri, GoogleObjects(uri.rstrip("/"), google.open_bucket(uri, bucket_of(uri))))


class GoogleObjects:
    """See `components.ingestion.sources.storage.bucket.Objects`."""

    def __init__(self, uri: str, bucket: Any, retry: Retry | None = None) -> None:
        self._uri = uri
        self._bucket = bucket
        self._retry = retry or Retry()

    def listed(self, prefix: str) -> Iterator[Entry]:
        """See `Objects.listed`."""
        try:
            for blob in listed(
                self._bucket, prefix, "name,size,generation", self._retry, f"list {self._uri}"
            ):
                yield _entry(blob)
        except FAILURES as error:
            raise self._problem(error) from error

    def found(self, name: str) -> Entry | None:
        """See `Objects.found`."""
        try:
            blob = self._repeated(lambda: self._bucket.get_blob(name, **ONCE))
        except FAILURES as error:
            raise self._problem(error) from error
        return _entry(blob) if blob is not None else None

    def content(self, entry: Entry, start: int, count: int) -> bytes:
        """See `Objects.content`."""
        whole = start == 0 and count == entry.size  # then the client also compares checksums
        span = {} if whole else {"start": start, "end": start + count - 1}  # the end is inclusive
        try:
            return self._repeated(lambda: self._download(entry, count, span))
        except NotFound as error:
            raise ObjectGone("it is gone") from error
        except PreconditionFailed as error:
            raise InputError(
                f"{entry.name} in {self._uri} changed after it was listed",
                fix="run again when nothing writes there any more",
            ) from error
        except FAILURES as error:
            # Not this image's fault: rejecting it would hide an outage.
            raise self._problem(error) from error

    def _download(self, entry: Entry, count: int, span: dict[str, int]) -> bytes:
        content = bytes(
            self._bucket.blob(entry.name).download_as_bytes(
                if_generation_match=entry.handle, **ONCE, **span
            )
        )
        if len(content) != count:
            raise requests.ConnectionError(f"{entry.name}: {len(content):,} bytes of {count:,}")
        return content

    def _repeated(self, work: Callable[[], T]) -> T:
        return self._retry.call(f"read {self._uri}", work, passing_reason)

    def _problem(self, error: Exception) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"can't read {self._uri}: {shortened(str(error).splitlines()[0], 300)}",
            fix="check the bucket's name, its permissions and the connection",
        )


def _entry(blob: Any) -> Entry:
    return Entry(blob.name, int(blob.size), f"generation:{blob.generation}", int(blob.generation))
