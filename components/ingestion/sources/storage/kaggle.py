"""A data set of Kaggle by its name, fetched by Kaggle's own client into its cache.

Kaggle://owner/dataset[/versions/3].
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import requests

from components.ingestion.sources.storage.folder import Folder
from components.ingestion.sources.storage.storage import Entry
from components.shared.errors import EnvironmentProblem, InputError
from components.shared.retry import Retry, connection_reason, status_reason
from components.shared.text import shortened

_FIX = (
    "make an API token at kaggle.com/settings, then set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and"
    " KAGGLE_KEY, or keep ~/.kaggle/kaggle.json"
)


class Dataset(Folder):
    """See `components.ingestion.sources.storage.folder.Folder`. A version never changes.

    When its files came here says nothing.
    """

    def __init__(self, uri: str, root: Path) -> None:
        super().__init__(root)
        self.uri = self.origin = uri

    def _entry(self, name: str, status: os.stat_result) -> Entry:
        entry = super()._entry(name, status)
        return entry if entry.refusal else entry._replace(checksum=f"version:{self.root.name}")


def open_kaggle(uri: str, client: Any = None, retry: Retry | None = None) -> Dataset:
    """Return the place that a kaggle:// URI means.

    Args:
        client: has `get_kaggle_credentials()` and `dataset_download(handle)` as kagglehub does,
            which it is by default.
        retry: of what fails for a passing reason; a download goes on where it broke off.

    Raises:
        InputError: the name isn't one of a data set, or Kaggle has none of it.
        EnvironmentProblem: there are no credentials, or Kaggle can't be reached.
    """
    handle = uri.removeprefix("kaggle://").strip("/")
    if not re.fullmatch(r"[\w-]+/[\w.-]+(/versions/\d+)?", handle):
        raise InputError(
            f"{uri} names no data set",
            expected="kaggle://owner/dataset or kaggle://owner/dataset/versions/3",
        )
    client = client or _Kagglehub()
    try:
        credentials = client.get_kaggle_credentials()
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"Kaggle's credentials can't be read: {error}", fix=_FIX
        ) from error
    if credentials is None:
        raise EnvironmentProblem(f"there are no credentials of Kaggle to read {uri} with", fix=_FIX)
    try:
        fetched = (retry or Retry()).call(
            f"fetch {uri}", lambda: Path(client.dataset_download(handle)), _passing_reason
        )
        return Dataset(uri, fetched)
    except OSError as error:  # also what its HTTP errors are
        status = getattr(getattr(error, "response", None), "status_code", 0)
        told = (
            shortened(str(error).strip().splitlines()[0], 300)
            if str(error).strip()
            else type(error).__name__
        )
        if status in (403, 404):
            raise InputError(
                f"Kaggle has no data set {handle} for you ({told})",
                fix="check its name, and that you accepted its terms on its page",
            ) from error
        raise EnvironmentProblem(
            f"can't fetch {uri}: {told}", fix="check the connection and the credentials"
        ) from error


def _passing_reason(error: Exception) -> str:
    """Why what kagglehub raised may be gone next time, for `Retry.call`."""
    if isinstance(error, requests.HTTPError):
        return status_reason(getattr(error.response, "status_code", None))
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return connection_reason(error) if isinstance(error, broken) else ""


class _Kagglehub:
    """What this module asks of kagglehub, whose parts it keeps apart."""

    def get_kaggle_credentials(self) -> object:
        from kagglehub.config import get_kaggle_credentials

        return get_kaggle_credentials()

    def dataset_download(self, handle: str) -> str:
        import kagglehub
        from kagglehub.exceptions import DataCorruptionError

        try:
            return str(kagglehub.dataset_download(handle))
        except DataCorruptionError as error:
            raise requests.ConnectionError(str(error)) from error
