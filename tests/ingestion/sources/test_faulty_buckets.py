"""Sources in real bucket servers, seen through a proxy that breaks answers.

The result is the same, or one clear error.
"""

from __future__ import annotations

import gc
import json
import os
import urllib.parse
import warnings
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from google.cloud import storage

from components.ingestion.sources.storage import google, s3
from components.shared.retry import Retry
from tests.buckets import EMULATOR, emulated_bucket
from tests.faulty_proxy import proxy_before
from tests.ingestion.support import as_folder, bench, class_folders
from tests.moto_bucket import moto_bucket

FAULTS = ("429", "503", "reset", "cut", "")

pytestmark = pytest.mark.skipif(not EMULATOR.is_file(), reason="needs the environment `emulator`")


def broken_at_first(path: str, asked: int) -> str:
    """The first question for each address meets a fault that is its own, whatever its parameters are; the second is answered."""
    return FAULTS[zlib.crc32(path.partition("?")[0].encode()) % 5] if asked == 0 else ""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "tests")
    for module in (google, s3):
        monkeypatch.setattr(module, "Retry", partial(Retry, first_wait_seconds=0.05))
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the clients leave their sockets to the collector
        gc.collect()


@pytest.fixture(scope="module", params=["gs", "s3"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """URI of a bucket with faces in it, and the setting that names its server."""
    with (
        (emulated_bucket if request.param == "gs" else moto_bucket)("faces") as uri,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for name, content in class_folders().items():
            if request.param == "gs":
                os.environ["GOOGLE_CLOUD_PROJECT"] = "tests"
                storage.Client().bucket("faces").blob(f"night/{name}").upload_from_string(content)
            else:
                boto3.client("s3").put_object(Bucket="faces", Key=f"night/{name}", Body=content)
        yield uri, "STORAGE_EMULATOR_HOST" if request.param == "gs" else "AWS_ENDPOINT_URL"


def through(server: tuple[str, str], fault: Any) -> Any:
    address = urllib.parse.urlsplit(os.environ[server[1]])
    return proxy_before(str(address.hostname), int(address.port or 0), fault)


def test_broken_answers_change_nothing(
    server: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = bench(tmp_path / "local")
    assert local.ingest(as_folder(tmp_path / "night", class_folders())) == 0
    remote = bench(tmp_path / "remote")
    with through(server, broken_at_first) as proxy:
        monkeypatch.setenv(server[1], proxy.url)
        assert remote.ingest(f"{server[0]}/night") == 0
    assert remote.rows() == local.rows()
    assert remote.rejected() == {}
    assert all(proxy.met[fault] for fault in FAULTS)


def test_a_server_that_never_answers_gives_one_clear_error(
    server: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for module in (google, s3):
        monkeypatch.setattr(
            module, "Retry", partial(Retry, deadline_seconds=1.0, first_wait_seconds=0.05)
        )
    with through(server, lambda path, asked: "503") as proxy:
        monkeypatch.setenv(server[1], proxy.url)
        assert bench(tmp_path).resolve(f"{server[0]}/night") == 5
    *waits, last, failure = capfd.readouterr().err.splitlines()
    assert all(f"{server[0]}/night: answered 503; again in " in line for line in waits)
    assert len(waits) > 2
    assert last.endswith("in 1 s, no more")
    assert f"can't read {server[0]}/night" in failure
    assert "503" in failure
    assert proxy.met["503"] > 1


def test_a_manifest_on_this_machine_names_objects_in_buckets(
    server: tuple[str, str], tmp_path: Path
) -> None:
    names = list(class_folders())
    rows = [f"{server[0]}/night/{name},{name.split('/')[1]},{name.split('/')[0]}" for name in names]
    rows.append(f"{server[0]}/night/train/happy/gone.png,happy,train")
    (tmp_path / "list.csv").write_text("\n".join(["uri,label,split", *rows]))
    night = bench(tmp_path)
    assert night.ingest(tmp_path / "list.csv") == 0
    read = night.rows()
    assert [row["source_uri"] for row in read] == [f"{server[0]}/night/{name}" for name in names]
    assert [row["image"] for row in read] == list(class_folders().values())
    assert [row["label"] for row in read] == [name.split("/")[1] for name in names]
    assert night.rejected() == {f"{server[0]}/night/train/happy/gone.png": "vanished"}
    assert night.findings()["published_counts"] == {"train": 9, "test": 8}


def test_a_manifest_in_a_bucket_names_its_neighbours(
    server: tuple[str, str], tmp_path: Path
) -> None:
    names = list(class_folders())
    content = "\n".join(
        json.dumps({"uri": name, "label": name.split("/")[1]}) for name in names
    ).encode()
    if server[0].startswith("gs://"):
        storage.Client().bucket("faces").blob("night/list.jsonl").upload_from_string(content)
    else:
        boto3.client("s3").put_object(Bucket="faces", Key="night/list.jsonl", Body=content)
    night = bench(tmp_path)
    assert night.ingest(f"{server[0]}/night/list.jsonl") == 0
    assert [row["source_uri"] for row in night.rows()] == names
    assert night.findings()["layout"] == "manifest"
