"""Which place a URI means."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from components.contracts.errors import EnvironmentProblem, InputError
from components.ingestion.sources.archive import Archive
from components.ingestion.sources.folder import Folder, SingleFile
from components.ingestion.sources.places import Place


def open_place(uri: str) -> Place:
    """The place that a path or a gs:// URI means.

    Raises:
        InputError: there is nothing at the path, or nothing that can be a source.
    """
    if uri.startswith("gs://"):
        from components.ingestion.sources.bucket import open_bucket  # the Google client takes a second to import

        return open_bucket(uri)
    if "://" in uri:
        raise InputError(f"can't read the source {uri}", expected="a folder, a .zip, a .csv, or gs://bucket/prefix")
    if not uri:
        raise InputError("no source is named", expected="--source with a folder, a .zip, a .csv, or gs://bucket/prefix")
    path = Path(os.path.abspath(os.path.expanduser(uri)))
    if not _exists(path):
        raise InputError(f"there is no source at {uri}", expected="an existing folder, .zip or .csv", fix="check the path")
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() == ".csv":
        return SingleFile(path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return Archive(path)
    raise InputError(f"can't read the source {uri}", expected="a folder, a .zip or a .csv", received=f"a file {path.name}")


def localized(place: Place, folder: Path) -> Place:
    """The same place on this machine: an archive in a bucket is copied into ``folder``, any other stays as it is."""
    copy = getattr(place, "localized", None)
    return copy(folder) if copy is not None else place


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EnvironmentProblem(f"can't read the source {path}: {error.strerror}", fix="check its permissions") from error
    return True
