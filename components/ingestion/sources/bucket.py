"""Places in Google Cloud Storage: a prefix as a folder, a .csv object, and a .zip object as an archive."""

from __future__ import annotations

import posixpath
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.cloud import storage

from components.contracts.errors import EnvironmentProblem, InputError
from components.ingestion.sources.archive import Archive
from components.ingestion.sources.places import Entry, ObjectUnreadable
from components.ingestion.watch import watching

SHOWN_BYTES = 10_000_000  # a download from this size on shows its progress


def open_bucket(uri: str, client: Any = None) -> Bucket | BucketArchive:
    """The place that a gs:// URI means.

    Args:
        client: a `google.cloud.storage.Client`; by default one with the machine's own credentials.
    """
    name, _, path = uri.removeprefix("gs://").partition("/")
    path = path.strip("/")
    if not name:
        raise InputError(f"{uri} names no bucket", expected="gs://bucket or gs://bucket/prefix")
    try:
        bucket = (client or storage.Client()).bucket(name)
    except Exception as error:
        raise EnvironmentProblem(f"can't open {uri}: {error}", fix="log in with `gcloud auth application-default login`") from error
    return BucketArchive(uri, bucket, path) if path.lower().endswith(".zip") else Bucket(uri, bucket, path)


class Bucket:
    """See `components.ingestion.sources.places.Place`. A read is pinned to the generation that was listed."""

    def __init__(self, uri: str, bucket: Any, prefix: str) -> None:
        self.uri = uri.rstrip("/")
        self._bucket = bucket
        self._single = prefix.lower().endswith(".csv")
        # Of a single object the folder is cut off, of a prefix all of it: names are relative.
        self._root = posixpath.dirname(prefix) if self._single else prefix
        self._prefix = prefix

    def entries(self) -> list[Entry]:
        prefix = self._prefix if self._single or not self._prefix else f"{self._prefix}/"
        try:
            blobs = self._bucket.list_blobs(prefix=prefix or None, fields="items(name,size,generation),nextPageToken")
            found = [
                Entry(self._relative(blob.name), int(blob.size), f"generation:{blob.generation}", int(blob.generation))
                for blob in blobs
                if not blob.name.endswith("/") and (not self._single or blob.name == self._prefix)
            ]
        except GoogleAPIError as error:
            raise _problem(self.uri, error) from error
        if not found:
            raise InputError(
                f"there is no source at {self.uri}", expected="objects below that prefix", fix="check the bucket and the prefix"
            )
        return found

    def read(self, entry: Entry) -> bytes:
        return self._download(entry)

    def head(self, entry: Entry, count: int) -> bytes:
        # The end is inclusive. An empty object has no range to ask for.
        return self._download(entry, end=count - 1) if entry.size else b""

    def fetch(self, entry: Entry, folder: Path) -> Path:
        target = folder / f"object-{entry.handle}"
        try:
            with _shown(target, entry.size):
                self._blob(entry).download_to_filename(str(target), if_generation_match=entry.handle)
        except NotFound as error:
            raise ObjectUnreadable("it is gone") from error
        except GoogleAPIError as error:
            raise _problem(self.uri, error) from error
        return target

    def _download(self, entry: Entry, **options: int) -> bytes:
        try:
            return bytes(self._blob(entry).download_as_bytes(if_generation_match=entry.handle, **options))
        except NotFound as error:
            raise ObjectUnreadable("it is gone") from error
        except PreconditionFailed as error:
            raise InputError(
                f"{entry.name} in {self.uri} changed after it was listed", fix="run again when nothing writes there any more"
            ) from error
        except GoogleAPIError as error:
            # Not this image's fault: rejecting it would hide an outage.
            raise _problem(self.uri, error) from error

    def _blob(self, entry: Entry) -> Any:
        return self._bucket.blob(f"{self._root}/{entry.name}" if self._root else entry.name)

    def _relative(self, name: str) -> str:
        return name[len(self._root) + 1 :] if self._root else name


class BucketArchive(Archive):
    """A zip in a bucket. Its directory is listed in place; `localized` copies it to this machine before its members are read."""

    def __init__(self, uri: str, bucket: Any, name: str) -> None:
        super().__init__(Path(name), uri, self._stream)
        self._bucket = bucket
        self._name = name

    def localized(self, folder: Path) -> Archive:
        """The same archive as a local copy in ``folder``."""
        target = folder / "source.zip"
        blob = self._existing()
        try:
            with _shown(target, int(blob.size)):
                blob.download_to_filename(str(target), if_generation_match=blob.generation)
        except GoogleAPIError as error:
            raise _problem(self.uri, error) from error
        return Archive(target, str(target))

    def _stream(self) -> Any:
        return self._existing().open("rb")

    def _existing(self) -> Any:
        try:
            blob = self._bucket.get_blob(self._name)
        except GoogleAPIError as error:
            raise _problem(self.uri, error) from error
        if blob is None:
            raise InputError(f"there is no source at {self.uri}", expected="an existing object", fix="check the bucket and the name")
        return blob


def _shown(target: Path, size: int) -> AbstractContextManager[None]:
    if size < SHOWN_BYTES:
        return nullcontext()
    return watching(lambda: (target.stat().st_size if target.exists() else 0) // 1_000_000, size // 1_000_000, "megabytes")


def _problem(uri: str, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(f"can't read {uri}: {error}", fix="check the bucket's name, its permissions and the connection")
