"""Objects in S3, or on another server that speaks it (AWS_ENDPOINT_URL), through boto3 with retries and backoff."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError

from components.contracts.errors import EnvironmentProblem, InputError
from components.ingestion.sources.bucket import Bucket, RemoteTar, RemoteZip, bucket_of, open_bucket
from components.ingestion.sources.places import Entry, ObjectGone

ATTEMPTS = 8
_FAILURES = (BotoCoreError, ClientError)
# What breaks while a body is read, which the client itself doesn't try again.
_CUT_SHORT = (HTTPClientError, IncompleteReadError, ResponseStreamingError)


def open_s3(uri: str) -> Bucket | RemoteZip | RemoteTar:
    """The place that an s3:// URI means, with the machine's own credentials, region and endpoint."""
    name = bucket_of(uri)
    try:
        client = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": ATTEMPTS}))
    except BotoCoreError as error:
        raise EnvironmentProblem(f"can't open {uri}: {error}", fix="set AWS_REGION and log in with `aws configure`") from error
    return open_bucket(uri, S3Objects(uri.rstrip("/"), name, client))


class S3Objects:
    """See `components.ingestion.sources.bucket.Objects`."""

    def __init__(self, uri: str, bucket: str, client: Any) -> None:
        self._uri = uri
        self._bucket = bucket
        self._client = client

    def listed(self, prefix: str) -> Iterator[Entry]:
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield Entry(item["Key"], item["Size"], f"etag:{item['ETag']}")
        except _FAILURES as error:
            raise self._problem(error) from error

    def found(self, name: str) -> Entry | None:
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise self._problem(error) from error
        except BotoCoreError as error:
            raise self._problem(error) from error
        return Entry(name, head["ContentLength"], f"etag:{head['ETag']}")

    def content(self, entry: Entry, start: int, count: int) -> bytes:
        etag, span = entry.checksum.removeprefix("etag:"), f"bytes={start}-{start + count - 1}"
        for attempt in range(ATTEMPTS):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=entry.name, IfMatch=etag, Range=span)
                return bytes(answer["Body"].read())
            except ClientError as error:
                if _status(error) == 404:
                    raise ObjectGone("it is gone") from error
                if _status(error) == 412:
                    raise InputError(
                        f"{entry.name} in {self._uri} changed after it was listed",
                        fix="run again when nothing writes there any more",
                    ) from error
                raise self._problem(error) from error
            except _CUT_SHORT as error:
                if attempt + 1 == ATTEMPTS:
                    raise self._problem(error) from error
                time.sleep(0.1 * 2**attempt)
            except BotoCoreError as error:
                raise self._problem(error) from error
        raise AssertionError("unreachable")

    def _problem(self, error: Exception) -> EnvironmentProblem:
        return EnvironmentProblem(f"can't read {self._uri}: {error}", fix="check the bucket's name, its permissions and the connection")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
