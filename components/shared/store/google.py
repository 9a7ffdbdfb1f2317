"""A store in a Google Cloud Storage bucket; compare-and-set by generation match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import requests
from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
)
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption

from components.shared.errors import EnvironmentProblem
from components.shared.retry import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    Retry,
    connection_reason,
    status_reason,
)
from components.shared.store.bucket import BucketStore
from components.shared.store.interface import Entry, changed_meanwhile

# Of every call. The client's own retry tells nobody; a whole object is written at once and seen
# whole, so any may be repeated.
ONCE: dict[str, Any] = {"retry": None, "timeout": (CONNECT_SECONDS, ANSWER_SECONDS)}
FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    DataCorruption,
    OSError,
)  # requests' errors are OSErrors
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    ConnectionError,
    DataCorruption,
)

T = TypeVar("T")


def open_bucket(uri: str, name: str) -> storage.Bucket:
    """Return the bucket ``name`` that ``uri`` lies in, with the machine's own credentials.

    Nothing is asked of it yet.

    Raises:
        EnvironmentProblem: there are no credentials, or none that can be used.
    """
    try:
        return storage.Client().bucket(name)
    # Credentials come from files, programs and servers that this machine names, and each kind's
    # reader lets pass what it meets: google.auth's errors, OSError without a project,
    # AttributeError in a file of another shape. All say that nobody is logged in.
    except Exception as error:
        raise EnvironmentProblem(
            f"can't open {uri}: {error}", fix="log in with `gcloud auth application-default login`"
        ) from error


def passing_reason(error: Exception) -> str:
    """Why what the client raised may be gone next time, for `Retry.call`."""
    if isinstance(error, GoogleAPICallError):
        return status_reason(error.code)
    # The credentials' own server: it isn't there yet when a pod begins.
    unreached = isinstance(error, TransportError) or (
        isinstance(error, RefreshError) and isinstance(error.__cause__, TransportError)
    )
    if (
        unreached
        or isinstance(error, _BROKEN)
        or (isinstance(error, GoogleAuthError) and error.retryable)
    ):
        return connection_reason(error)
    return ""


def listed(
    bucket: storage.Bucket, prefix: str, fields: str, retry: Retry, what: str
) -> Iterator[storage.Blob]:
    """Every object whose name starts with ``prefix``, with the named fields.

    Each page is asked for until it comes.
    """
    token: str | None = None
    while True:
        asked = {
            "prefix": prefix or None,
            "fields": f"items({fields}),nextPageToken",
            "page_token": token,
        }

        def page(asked: dict[str, Any] = asked) -> tuple[list[storage.Blob], str | None]:
            found = bucket.list_blobs(**asked, **ONCE)
            return list(next(found.pages, ())), found.next_page_token

        blobs, token = retry.call(what, page, passing_reason)
        yield from blobs
        if not token:
            return


class GoogleStore(BucketStore):
    """See `components.shared.store.interface.Store`.

    What fails for a passing reason is repeated as ``retry`` says.
    """

    def __init__(self, uri: str, retry: Retry | None = None) -> None:
        super().__init__(uri, retry)
        self._bucket = open_bucket(uri, self._bucket_name)

    def read(self, key: str) -> bytes | None:
        """See `Store.read`."""
        return self._read(key)[0]

    def write(self, key: str, content: bytes) -> None:
        """See `Store.write`."""
        try:
            self._upload(key, content)
        except FAILURES as error:
            raise self._problem("write", key, error) from error

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        """See `Store.compare_and_set`."""
        current, generation = self._read(key)
        if current != expected:
            raise changed_meanwhile(key, expected, current)
        try:
            self._upload(key, content, if_generation_match=generation)
        except PreconditionFailed:
            # Either someone else was quicker, or an answer was lost and the second attempt met its
            # first.
            current = self.read(key)
            if current != content:
                raise changed_meanwhile(key, expected, current) from None
        except FAILURES as error:
            raise self._problem("write", key, error) from error

    def scan(self, prefix: str) -> Iterator[Entry]:
        """See `Store.scan`."""
        try:
            for blob in listed(
                self._bucket,
                self._folder(prefix),
                "name,size,updated",
                self.retry,
                f"list {self.location(prefix)}",
            ):
                yield Entry(self._key(blob.name), blob.size, blob.updated.timestamp())
        except FAILURES as error:
            raise self._problem("list", prefix, error) from error

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        blob = self._bucket.blob(self._name(key))
        try:
            self._repeated("delete", key, lambda: blob.delete(**ONCE))
        except NotFound:
            return
        except FAILURES as error:
            raise self._problem("delete", key, error) from error

    def _read(self, key: str) -> tuple[bytes | None, int]:
        """Content and generation, of the same moment; None and 0 where there is no object."""
        name = self._name(key)

        def download() -> tuple[bytes, int]:
            blob = self._bucket.blob(name)
            # The answer of the download itself tells the generation.
            return bytes(blob.download_as_bytes(**ONCE)), int(blob.generation or 0)

        try:
            return self._repeated("read", key, download)
        except NotFound:
            return None, 0
        except FAILURES as error:
            raise self._problem("read", key, error) from error

    def _upload(self, key: str, content: bytes, if_generation_match: int | None = None) -> None:
        asked = {
            "content_type": "application/octet-stream",
            "if_generation_match": if_generation_match,
        }
        blob = self._bucket.blob(self._name(key))
        self._repeated("write", key, lambda: blob.upload_from_string(content, **asked, **ONCE))

    def _repeated(self, verb: str, key: str, work: Callable[[], T]) -> T:
        return self.retry.call(f"{verb} {self.location(key)}", work, passing_reason)
