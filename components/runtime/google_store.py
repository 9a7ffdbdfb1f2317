"""A store in a Google Cloud Storage bucket; compare-and-set by generation match."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.cloud import storage

from components.contracts.artifacts import write_atomically
from components.contracts.errors import ConflictError, ContractError, EnvironmentProblem, InputError


class GoogleStore:
    """See `components.runtime.store.Store`. The client retries transient errors with backoff."""

    def __init__(self, uri: str) -> None:
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        if not bucket:
            raise InputError(f"{uri} names no bucket", expected="gs://bucket or gs://bucket/prefix")
        self.uri = uri.rstrip("/")
        self._prefix = prefix.strip("/")
        try:
            self._bucket = storage.Client().bucket(bucket)
        except Exception as error:  # google.auth raises its own tree, which isn't installed everywhere
            raise EnvironmentProblem(f"can't open {uri}: {error}", fix="log in with `gcloud auth application-default login`") from error

    def read(self, key: str) -> bytes | None:
        try:
            return bytes(self._bucket.blob(self._name(key)).download_as_bytes())
        except NotFound:
            return None
        except GoogleAPIError as error:
            raise self._problem("read", key, error) from error

    def write(self, key: str, content: bytes) -> None:
        try:
            self._bucket.blob(self._name(key)).upload_from_string(content, content_type="application/octet-stream")
        except GoogleAPIError as error:
            raise self._problem("write", key, error) from error

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        blob = self._bucket.get_blob(self._name(key))
        current = bytes(blob.download_as_bytes(if_generation_match=blob.generation)) if blob else None
        generation = blob.generation if blob else 0
        if current == expected:
            try:
                self._bucket.blob(self._name(key)).upload_from_string(
                    content, content_type="application/json", if_generation_match=generation
                )
                return
            except PreconditionFailed:
                current = self.read(key)
            except GoogleAPIError as error:
                raise self._problem("write", key, error) from error
        raise ConflictError(
            f"{key} was changed by someone else",
            expected=(expected or b"nothing").decode()[:200],
            received=(current or b"nothing").decode()[:200],
            fix="run again: the next run compares with what stands there now",
        )

    def list(self, prefix: str) -> Iterator[str]:
        skip = len(self._prefix) + 1 if self._prefix else 0
        for blob in self._bucket.list_blobs(prefix=self._name(prefix) + "/"):
            yield blob.name[skip:]

    def put_tree(self, folder: Path, key: str, marker: str) -> None:
        if self.read(f"{key}/{marker}") is not None:
            return
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path == folder / marker):
            self.write(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def get_tree(self, key: str, marker: str, cache: Path) -> Path:
        folder = cache.joinpath(*key.split("/"))
        if (folder / marker).is_file():
            return folder
        last = self.read(f"{key}/{marker}")
        if last is None:
            raise ContractError(f"{self.location(key)} is missing or incomplete", expected=f"a folder with {marker}")
        for name in self.list(key):
            content = self.read(name)
            if content is not None and name != f"{key}/{marker}":
                write_atomically(cache.joinpath(*name.split("/")), content)
        write_atomically(folder / marker, last)
        return folder

    def location(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _problem(self, verb: str, key: str, error: Exception) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"can't {verb} {self.location(key)}: {error}", fix="check the bucket's name, its permissions and the connection"
        )
