"""Which place a URI means."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from components.ingestion.sources.joined import JoinedPlace
from components.ingestion.sources.storage import paths
from components.ingestion.sources.storage.folder import Folder, SingleFile
from components.ingestion.sources.storage.storage import ObjectPlace, Place
from components.ingestion.sources.storage.tar_archive import Tarball
from components.ingestion.sources.storage.zip_archive import Archive
from components.shared.errors import EnvironmentProblem, InputError
from components.shared.preset.sources import separate_uris
from components.shared.store.interface import CLAIMS, claim_folder

EXPECTED = (
    "a folder, a .zip, a .tar (.gz, .bz2, .xz), a .csv or .jsonl, or gs://, s3:// or kaggle:// of"
    " these"
)


def open_place(source: str) -> Place:
    """Return the place that a path or a URI means, or a JSON list of them.

    Raises:
        InputError: there is nothing at the path, or nothing that can be a source.
    """
    uris = separate_uris(source)
    if not uris:
        raise InputError("no source is named", expected=f"--data with {EXPECTED}")
    return (
        open_single(uris[0]) if len(uris) == 1 else JoinedPlace([open_single(uri) for uri in uris])
    )


def open_single(uri: str, claims: Path = CLAIMS) -> ObjectPlace:
    """Return the place that one path or URI means. Raises as `open_place` does.

    EnvironmentProblem: a claim isn't mounted here.
    """
    scheme, remote, _ = uri.partition("://")
    if scheme == "pvc" and remote:
        return open_single(str(claim_folder(uri, claims)))
    if remote:
        return _open_remote(scheme, uri)
    path = Path(os.path.abspath(os.path.expanduser(uri)))
    if not _exists(path):
        raise InputError(
            f"there is no source at {uri}",
            expected="an existing folder, archive or table",
            fix="check the path",
        )
    if path.is_dir():
        return Folder(path)
    if paths.is_table(path.name):
        return SingleFile(path)
    if path.name.lower().endswith(paths.TAR_SUFFIXES):
        return Tarball(path)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return Archive(path)
    raise InputError(
        f"can't read the source {uri}", expected=EXPECTED, received=f"a file {path.name}"
    )


def localized(place: Place, folder: Path) -> Place:
    """Return the same place, ready to be read.

    Archives that can't be read where they are come into ``folder``, any other stays.
    """
    copy = getattr(place, "localized", None)
    return copy(folder) if copy is not None else place


def _open_remote(scheme: str, uri: str) -> ObjectPlace:
    # The clients take up to a second to import.
    if scheme == "gs":
        from components.ingestion.sources.storage.google import open_google

        return open_google(uri)
    if scheme == "s3":
        from components.ingestion.sources.storage.s3 import open_s3

        return open_s3(uri)
    if scheme == "kaggle":
        from components.ingestion.sources.storage.kaggle import open_kaggle

        return open_kaggle(uri)
    raise InputError(f"can't read the source {uri}", expected=EXPECTED)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EnvironmentProblem(
            f"can't read the source {path}: {error.strerror}", fix="check its permissions"
        ) from error
    return True
