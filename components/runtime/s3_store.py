"""A store in an S3 bucket; compare-and-set by conditional put (If-Match, If-None-Match).

boto3 takes credentials and region from where it always does; AWS_ENDPOINT_URL names another server
that speaks S3, which must enforce both conditions (AWS, MinIO and Ceph do).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components.contracts.errors import EnvironmentProblem
from components.runtime.bucket_store import BucketStore
from components.runtime.store import Entry, changed_meanwhile

_FAILURES = (BotoCoreError, ClientError)
_RETRIES = Config(retries={"mode": "standard", "max_attempts": 5})
_NOT_FOUND = ("NoSuchKey", "404")
# 409: a concurrent conditional request was answered first ("Conditional writes" in the S3 user guide).
_LOST = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409")


class S3Store(BucketStore):
    """See `components.runtime.store.Store`. The client retries transient errors with backoff."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        try:
            self._client = boto3.client("s3", config=_RETRIES)
        except BotoCoreError as error:
            raise EnvironmentProblem(f"can't open {uri}: {error}", fix="set AWS_REGION and log in with `aws configure`") from error

    def read(self, key: str) -> bytes | None:
        return self._read(key)[0]

    def write(self, key: str, content: bytes) -> None:
        try:
            self._put(key, content)
        except _FAILURES as error:
            raise self._problem("write", key, error) from error

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        current, etag = self._read(key)
        if current != expected:
            raise changed_meanwhile(key, expected, current)
        try:
            self._put(key, content, **({"IfMatch": etag} if etag else {"IfNoneMatch": "*"}))
        except ClientError as error:
            if _code(error) not in _LOST:
                raise self._problem("write", key, error) from error
            # Either someone else was quicker, or an answer was lost and the client's second attempt met its first.
            current = self.read(key)
            if current != content:
                raise changed_meanwhile(key, expected, current) from None
        except BotoCoreError as error:
            raise self._problem("write", key, error) from error

    def scan(self, prefix: str) -> Iterator[Entry]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket_name, Prefix=self._folder(prefix))
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    yield Entry(self._key(item["Key"]), item["Size"], item["LastModified"].timestamp())
        except _FAILURES as error:
            raise self._problem("list", prefix, error) from error

    def delete(self, key: str) -> None:
        try:
            self._client.delete_object(Bucket=self._bucket_name, Key=self._name(key))
        except _FAILURES as error:
            raise self._problem("delete", key, error) from error

    def _read(self, key: str) -> tuple[bytes | None, str]:
        """Content and entity tag, of the same moment; None and empty where there is no object."""
        try:
            answer = self._client.get_object(Bucket=self._bucket_name, Key=self._name(key))
            return answer["Body"].read(), answer["ETag"]
        except ClientError as error:
            if _code(error) in _NOT_FOUND:
                return None, ""
            raise self._problem("read", key, error) from error
        except BotoCoreError as error:
            raise self._problem("read", key, error) from error

    def _put(self, key: str, content: bytes, **conditions: Any) -> None:
        self._client.put_object(Bucket=self._bucket_name, Key=self._name(key), Body=content, **conditions)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
