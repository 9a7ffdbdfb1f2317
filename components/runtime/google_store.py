"""A store in a Google Cloud Storage bucket; compare-and-set by generation match."""

from __future__ import annotations

from collections.abc import Iterator

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from components.contracts.errors import EnvironmentProblem
from components.runtime.bucket_store import BucketStore
from components.runtime.store import Entry, changed_meanwhile

# A whole object is written at once and seen whole, so an attempt that failed midway can be repeated;
# by default the client repeats only uploads that name a generation.
_RETRY = DEFAULT_RETRY.with_timeout(60.0)
_FAILURES = (GoogleAPIError, GoogleAuthError, OSError)  # requests' errors are OSErrors


def open_bucket(uri: str, name: str) -> storage.Bucket:
    """The bucket ``name`` that ``uri`` lies in, with the machine's own credentials; nothing is asked of it yet.

    Raises:
        EnvironmentProblem: there are no credentials, or none that can be used.
    """
    try:
        return storage.Client().bucket(name)
    # Credentials come from files, programs and servers that this machine names, and each kind's reader lets pass what it meets:
    # google.auth's errors, OSError without a project, AttributeError in a file of another shape. All say that nobody is logged in.
    except Exception as error:
        raise EnvironmentProblem(f"can't open {uri}: {error}", fix="log in with `gcloud auth application-default login`") from error


class GoogleStore(BucketStore):
    """See `components.runtime.store.Store`. The client retries transient errors with backoff."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._bucket = open_bucket(uri, self._bucket_name)

    def read(self, key: str) -> bytes | None:
        return self._read(key)[0]

    def write(self, key: str, content: bytes) -> None:
        try:
            self._upload(key, content)
        except _FAILURES as error:
            raise self._problem("write", key, error) from error

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        current, generation = self._read(key)
        if current != expected:
            raise changed_meanwhile(key, expected, current)
        try:
            self._upload(key, content, if_generation_match=generation)
        except PreconditionFailed:
            # Either someone else was quicker, or an answer was lost and the client's second attempt met its first.
            current = self.read(key)
            if current != content:
                raise changed_meanwhile(key, expected, current) from None
        except _FAILURES as error:
            raise self._problem("write", key, error) from error

    def scan(self, prefix: str) -> Iterator[Entry]:
        try:
            for blob in self._bucket.list_blobs(prefix=self._folder(prefix), fields="items(name,size,updated),nextPageToken"):
                yield Entry(self._key(blob.name), blob.size, blob.updated.timestamp())
        except _FAILURES as error:
            raise self._problem("list", prefix, error) from error

    def delete(self, key: str) -> None:
        try:
            self._bucket.blob(self._name(key)).delete(retry=_RETRY)
        except NotFound:
            return
        except _FAILURES as error:
            raise self._problem("delete", key, error) from error

    def _read(self, key: str) -> tuple[bytes | None, int]:
        """Content and generation, of the same moment; None and 0 where there is no object."""
        blob = self._bucket.blob(self._name(key))
        try:
            # The answer of the download itself tells the generation.
            return bytes(blob.download_as_bytes()), int(blob.generation or 0)
        except NotFound:
            return None, 0
        except _FAILURES as error:
            raise self._problem("read", key, error) from error

    def _upload(self, key: str, content: bytes, if_generation_match: int | None = None) -> None:
        self._bucket.blob(self._name(key)).upload_from_string(
            content, content_type="application/octet-stream", if_generation_match=if_generation_match, retry=_RETRY
        )
