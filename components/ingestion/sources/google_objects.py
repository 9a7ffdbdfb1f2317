"""Objects in Google Cloud Storage, through its own client. Transient errors are retried with exponential backoff."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from components.contracts.errors import EnvironmentProblem, InputError
from components.ingestion.sources.bucket import Bucket, RemoteTar, RemoteZip, bucket_of, open_bucket
from components.ingestion.sources.places import Entry, ObjectGone
from components.runtime import google_store

RETRY_SECONDS = 120.0
FIRST_WAIT_SECONDS = 0.5  # about; each next wait is twice as long
TIMEOUT_SECONDS = 60.0
_FAILURES = (GoogleAPIError, GoogleAuthError, requests.RequestException)


class _CutShort(requests.ConnectionError):
    """What came isn't what the object holds. As a connection error it is tried again."""


def open_google(uri: str) -> Bucket | RemoteZip | RemoteTar:
    """The place that a gs:// URI means."""
    return open_bucket(uri, GoogleObjects(uri.rstrip("/"), google_store.open_bucket(uri, bucket_of(uri))))


class GoogleObjects:
    """See `components.ingestion.sources.bucket.Objects`."""

    def __init__(self, uri: str, bucket: Any) -> None:
        self._uri = uri
        self._bucket = bucket
        self._retry = DEFAULT_RETRY.with_delay(initial=FIRST_WAIT_SECONDS, maximum=30.0).with_timeout(RETRY_SECONDS)
        self._patience = {"retry": self._retry, "timeout": TIMEOUT_SECONDS}

    def listed(self, prefix: str) -> Iterator[Entry]:
        fields = "items(name,size,generation),nextPageToken"
        try:
            for blob in self._bucket.list_blobs(prefix=prefix or None, fields=fields, **self._patience):
                yield _entry(blob)
        except _FAILURES as error:
            raise self._problem(error) from error

    def found(self, name: str) -> Entry | None:
        try:
            blob = self._bucket.get_blob(name, **self._patience)
        except _FAILURES as error:
            raise self._problem(error) from error
        return _entry(blob) if blob is not None else None

    def content(self, entry: Entry, start: int, count: int) -> bytes:
        whole = start == 0 and count == entry.size  # then the client also compares checksums
        span = {} if whole else {"start": start, "end": start + count - 1}  # the end is inclusive
        try:
            return bytes(self._retry(self._download)(entry, count, span))
        except NotFound as error:
            raise ObjectGone("it is gone") from error
        except PreconditionFailed as error:
            raise InputError(
                f"{entry.name} in {self._uri} changed after it was listed", fix="run again when nothing writes there any more"
            ) from error
        except _FAILURES as error:
            # Not this image's fault: rejecting it would hide an outage.
            raise self._problem(error) from error

    def _download(self, entry: Entry, count: int, span: dict[str, int]) -> bytes:
        blob = self._bucket.blob(entry.name)
        try:
            content = bytes(blob.download_as_bytes(if_generation_match=entry.handle, retry=None, timeout=TIMEOUT_SECONDS, **span))
        except DataCorruption as error:
            raise _CutShort(str(error)) from error
        if len(content) != count:
            raise _CutShort(f"{entry.name}: {len(content):,} bytes of {count:,}")
        return content

    def _problem(self, error: Exception) -> EnvironmentProblem:
        cause = error.cause if isinstance(error, RetryError) and error.cause else error
        return EnvironmentProblem(
            f"can't read {self._uri}: {str(cause).splitlines()[0][:300]}", fix="check the bucket's name, its permissions and the connection"
        )


def _entry(blob: Any) -> Entry:
    return Entry(blob.name, int(blob.size), f"generation:{blob.generation}", int(blob.generation))
