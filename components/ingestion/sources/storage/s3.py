"""Objects in S3, or on another server that speaks it (AWS_ENDPOINT_URL), through boto3.

What fails for a passing reason is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

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
from components.shared.store.s3 import FAILURES, listed, open_client, passing_reason, status_of

T = TypeVar("T")


def open_s3(uri: str) -> Bucket | RemoteZip | RemoteTar:
    """Return the place that an s3:// URI means, with the machine's own credentials, region and endpoint."""
    return open_bucket(uri, S3Objects(uri.rstrip("/"), bucket_of(uri), open_client(uri)))


class S3Objects:
    """See `components.ingestion.sources.storage.bucket.Objects`."""

    def __init__(self, uri: str, bucket: str, client: Any, retry: Retry | None = None) -> None:
        self._uri = uri
        self._bucket = bucket
        self._client = client
        self._retry = retry or Retry()

    def listed(self, prefix: str) -> Iterator[Entry]:
        """See `Objects.listed`."""
        try:
            for item in listed(
                self._client, self._bucket, prefix, self._retry, f"list {self._uri}"
            ):
                yield Entry(item["Key"], item["Size"], f"etag:{item['ETag']}")
        except FAILURES as error:
            raise self._problem(error) from error

    def found(self, name: str) -> Entry | None:
        """See `Objects.found`."""
        try:
            head = self._repeated(lambda: self._client.head_object(Bucket=self._bucket, Key=name))
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise self._problem(error) from error
        except BotoCoreError as error:
            raise self._problem(error) from error
        return Entry(name, head["ContentLength"], f"etag:{head['ETag']}")

    def content(self, entry: Entry, start: int, count: int) -> bytes:
        """See `Objects.content`."""
        asked = {
            "IfMatch": entry.checksum.removeprefix("etag:"),
            "Range": f"bytes={start}-{start + count - 1}",
        }
        try:
            return self._repeated(
                lambda: bytes(
                    self._client.get_object(Bucket=self._bucket, Key=entry.name, **asked)[
                        "Body"
                    ].read()
                )
            )
        except ClientError as error:
            if status_of(error) == 404:
                raise ObjectGone("it is gone") from error
            if status_of(error) == 412:
                raise InputError(
                    f"{entry.name} in {self._uri} changed after it was listed",
                    fix="run again when nothing writes there any more",
                ) from error
            raise self._problem(error) from error
        except BotoCoreError as error:
            raise self._problem(error) from error

    def _repeated(self, work: Callable[[], T]) -> T:
        return self._retry.call(f"read {self._uri}", work, passing_reason)

    def _problem(self, error: Exception) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"can't read {self._uri}: {error}",
            fix="check the bucket's name, its permissions and the connection",
        )
