"""A store in an S3 bucket; compare-and-set by conditional put (If-Match, If-None-Match).

boto3 takes credentials and region from where it always does; AWS_ENDPOINT_URL names another server
that speaks S3, which must enforce both conditions (AWS, MinIO and Ceph do).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import boto3
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

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

T = TypeVar("T")

FAILURES = (BotoCoreError, ClientError)
# The client's own retries count attempts, have no deadline, tell nobody, and leave out a body that
# breaks while it is read.
_ONCE = Config(
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=ANSWER_SECONDS,
)
_BROKEN = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.FlexibleChecksumError,
)
_NOT_FOUND = ("NoSuchKey", "404")
_LOST = ("PreconditionFailed", "NoSuchKey", "412")
# Statuses 400 and 409 that pass: a body that came too slowly, and a concurrent conditional request
# that was answered first ("Error responses" in the S3 API reference, "Conditional writes" in the S3
# user guide): then the same request decides.
_PASSING_CODES = ("RequestTimeout", "ConditionalRequestConflict", "OperationAborted")


def open_client(uri: str) -> Any:
    """Return a client for the bucket that ``uri`` lies in, with the machine's own credentials, region and endpoint.

    Raises:
        EnvironmentProblem: there is no region, or the machine's settings can't be read.
    """
    try:
        return boto3.client("s3", config=_ONCE)
    except BotoCoreError as error:
        raise EnvironmentProblem(
            f"can't open {uri}: {error}", fix="set AWS_REGION and log in with `aws configure`"
        ) from error


def passing_reason(error: Exception) -> str:
    """Why what the client raised may be gone next time, for `Retry.call`."""
    if isinstance(error, ClientError):
        return (
            f"answered {_code(error)}"
            if _code(error) in _PASSING_CODES
            else status_reason(status_of(error))
        )
    return connection_reason(error) if isinstance(error, _BROKEN) else ""


def status_of(error: ClientError) -> int:
    """HTTP status of an answer; 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def listed(client: Any, bucket: str, prefix: str, retry: Retry, what: str) -> Iterator[Any]:
    """Yield what is said of every object whose name starts with ``prefix``.

    Each page is asked for until it comes.
    """
    asked: dict[str, str] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = retry.call(what, partial(client.list_objects_v2, **asked), passing_reason)
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


class S3Store(BucketStore):
    """See `components.shared.store.interface.Store`.

    What fails for a passing reason is repeated as ``retry`` says.
    """

    def __init__(self, uri: str, retry: Retry | None = None) -> None:
        super().__init__(uri, retry)
        self._client = open_client(uri)

    def read(self, key: str) -> bytes | None:
        """See `Store.read`."""
        return self._read(key)[0]

    def write(self, key: str, content: bytes) -> None:
        """See `Store.write`."""
        try:
            self._put(key, content)
        except FAILURES as error:
            raise self._problem("write", key, error) from error

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        """See `Store.compare_and_set`."""
        current, etag = self._read(key)
        if current != expected:
            raise changed_meanwhile(key, expected, current)
        try:
            self._put(key, content, **({"IfMatch": etag} if etag else {"IfNoneMatch": "*"}))
        except ClientError as error:
            if _code(error) not in _LOST:
                raise self._problem("write", key, error) from error
            # Either someone else was quicker, or an answer was lost and the second attempt met its
            # first.
            current = self.read(key)
            if current != content:
                raise changed_meanwhile(key, expected, current) from None
        except BotoCoreError as error:
            raise self._problem("write", key, error) from error

    def scan(self, prefix: str) -> Iterator[Entry]:
        """See `Store.scan`."""
        try:
            for item in listed(
                self._client,
                self._bucket_name,
                self._folder(prefix),
                self.retry,
                f"list {self.location(prefix)}",
            ):
                yield Entry(self._key(item["Key"]), item["Size"], item["LastModified"].timestamp())
        except FAILURES as error:
            raise self._problem("list", prefix, error) from error

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        name = self._name(key)
        try:
            self._repeated(
                "delete",
                key,
                lambda: self._client.delete_object(Bucket=self._bucket_name, Key=name),
            )
        except FAILURES as error:
            raise self._problem("delete", key, error) from error

    def _read(self, key: str) -> tuple[bytes | None, str]:
        """Content and entity tag, of the same moment; None and empty where there is no object."""
        name = self._name(key)

        def download() -> tuple[bytes, str]:
            answer = self._client.get_object(Bucket=self._bucket_name, Key=name)
            return answer["Body"].read(), answer["ETag"]

        try:
            return self._repeated("read", key, download)
        except ClientError as error:
            if _code(error) in _NOT_FOUND:
                return None, ""
            raise self._problem("read", key, error) from error
        except BotoCoreError as error:
            raise self._problem("read", key, error) from error

    def _put(self, key: str, content: bytes, **conditions: Any) -> None:
        asked = {"Bucket": self._bucket_name, "Key": self._name(key), "Body": content, **conditions}
        self._repeated("write", key, lambda: self._client.put_object(**asked))

    def _repeated(self, verb: str, key: str, work: Callable[[], T]) -> T:
        return self.retry.call(f"{verb} {self.location(key)}", work, passing_reason)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
