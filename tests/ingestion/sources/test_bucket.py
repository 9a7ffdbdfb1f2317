"""Sources in a bucket, through the real client against a server that speaks its protocol."""

from __future__ import annotations

import gc
import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.ingestion.sources.storage.open import open_place
from components.ingestion.sources.storage.storage import ObjectUnreadable
from components.shared.errors import InputError
from tests.ingestion.bucket_server import Buckets, serving
from tests.ingestion.support import Bench, as_folder, bench, class_folders, csv_row, face


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    with serving() as buckets:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", buckets.url)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "tests")
        yield buckets
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the client leaves its sockets to the collector
            gc.collect()


@pytest.fixture
def night(tmp_path: Path) -> Bench:
    return bench(tmp_path)


def put_faces(buckets: Buckets) -> None:
    for name, content in class_folders().items():
        buckets.put("faces", f"nights/one/{name}", content)
    buckets.put("faces", "nights/one/", b"")
    buckets.put("faces", "nights/one/README.txt", b"x")
    buckets.put("faces", "nights/one-more/train/odd/1.png", b"x")


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("uri", ["gs://faces/nights/one", "gs://faces/nights/one/"])
def test_a_prefix_is_read_as_a_folder(
    buckets: Buckets, night: Bench, tmp_path: Path, uri: str
) -> None:
    put_faces(buckets)
    assert night.ingest(uri) == 0
    local = bench(tmp_path / "local")
    assert local.ingest(as_folder(tmp_path / "faces", class_folders())) == 0
    assert night.rows() == local.rows()


def test_a_zip_is_listed_in_place_and_read_from_a_copy(buckets: Buckets, night: Bench) -> None:
    buckets.put("faces", "a/night.zip", zipped(class_folders()))
    assert night.ingest("gs://faces/a/night.zip") == 0
    assert night.findings()["accepted"] == 16
    assert night.plan().listing.objects == 16


def test_a_csv_is_read_alone_or_from_its_prefix(buckets: Buckets, night: Bench) -> None:
    rows = [
        csv_row(index % 2 + 3, index, "PublicTest" if index > 9 else "Training")
        for index in range(14)
    ]
    buckets.put("faces", "fer/fer.csv", "\n".join(["emotion,pixels,Usage", *rows]).encode())
    buckets.put("faces", "fer/fer.csv.md5", b"x")
    assert night.ingest("gs://faces/fer/fer.csv") == 0
    alone = night.rows()
    assert night.ingest("gs://faces/fer", run="r2") == 0
    assert night.rows() == alone
    assert len(alone) == 14


def test_a_new_generation_is_a_change(buckets: Buckets, night: Bench) -> None:
    put_faces(buckets)
    night.resolve("gs://faces/nights/one")
    first = night.plan().listing.digest
    buckets.put("faces", "nights/one/train/happy/0.png", face("happy", 0), generation=2)
    night.resolve("gs://faces/nights/one")
    assert night.plan().listing.digest != first


def test_resolve_downloads_no_image(buckets: Buckets, night: Bench) -> None:
    put_faces(buckets)
    night.resolve("gs://faces/nights/one")
    assert buckets.downloads == []


@pytest.mark.parametrize(
    ("uri", "code", "message"),
    [
        ("gs://", 2, "names no bucket"),
        ("gs://faces/nothing", 2, "there is no source at gs://faces/nothing"),
        ("gs://faces/nothing.zip", 2, "there is no source at gs://faces/nothing.zip"),
        ("gs://faces/broken.zip", 2, "isn't a zip archive"),
        ("gs://nobody/x", 5, "can't read gs://nobody/x"),
        ("gs://nobody/x.zip", 2, "there is no source at gs://nobody/x.zip"),
    ],
)
def test_a_bad_bucket_source_ends_in_one_line(
    buckets: Buckets,
    night: Bench,
    capfd: pytest.CaptureFixture[str],
    uri: str,
    code: int,
    message: str,
) -> None:
    put_faces(buckets)
    buckets.put("faces", "broken.zip", b"PK\x03\x04 not really")
    assert night.resolve(uri) == code
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_outage_fails_the_step_and_rejects_no_image(
    buckets: Buckets, night: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    put_faces(buckets)
    buckets.failing.add("nights/one/train/sad/1.png")
    assert night.ingest("gs://faces/nights/one") == 5
    assert "ingest failed: can't read gs://faces/nights/one: 403" in capfd.readouterr().err


def test_an_object_replaced_after_it_was_listed_stops_the_run(buckets: Buckets) -> None:
    put_faces(buckets)
    place = open_place("gs://faces/nights/one")
    entry = next(entry for entry in place.entries() if entry.name == "train/sad/1.png")
    assert place.read(entry) == class_folders()["train/sad/1.png"]
    buckets.put("faces", "nights/one/train/sad/1.png", b"new", generation=2)
    with pytest.raises(InputError, match="changed after it was listed"):
        place.read(entry)
    del buckets.objects["faces"]["nights/one/train/sad/1.png"]
    with pytest.raises(ObjectUnreadable):
        place.read(entry)
