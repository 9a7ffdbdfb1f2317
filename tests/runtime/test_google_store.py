"""The gs:// store against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import storage

from components.contracts.errors import ConflictError, ContractError
from components.runtime.google_store import GoogleStore
from components.runtime.store import Store, open_store
from tests.buckets import emulated_bucket


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with emulated_bucket("emotions") as uri:
        yield uri


@pytest.fixture
def store(bucket: str, request: pytest.FixtureRequest) -> Store:
    return open_store(f"{bucket}/{request.node.name}")


def test_values_are_written_and_read(store: Store) -> None:
    assert store.read("runs/a/x.json") is None
    store.write("runs/a/x.json", b"1")
    store.write("runs/b/y.json", b"2")
    assert store.read("runs/a/x.json") == b"1"
    assert list(store.list("runs")) == ["runs/a/x.json", "runs/b/y.json"]


def test_a_pointer_moves_only_from_what_the_caller_saw(store: Store) -> None:
    store.compare_and_set("champion", None, b"one")
    with pytest.raises(ConflictError, match="expected nothing; received one"):
        store.compare_and_set("champion", None, b"two")
    store.compare_and_set("champion", b"one", b"two")
    assert store.read("champion") == b"two"


def test_a_writer_that_comes_between_reading_and_writing_wins(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race is staged, and the precondition, which the emulator ignores, enforced at the client as the service does."""
    upload = storage.Blob.upload_from_string

    def upload_if_unchanged(blob: storage.Blob, *arguments: object, if_generation_match: int | None = None, **options: object) -> None:
        current = blob.bucket.get_blob(blob.name)
        if if_generation_match is not None and if_generation_match != (current.generation if current else 0):
            raise PreconditionFailed("conditionNotMet")
        upload(blob, *arguments, **options)

    monkeypatch.setattr(storage.Blob, "upload_from_string", upload_if_unchanged)
    slow = open_store(store.uri)
    assert isinstance(slow, GoogleStore)
    look = slow._bucket.get_blob

    def look_and_be_overtaken(name: str) -> object:
        found = look(name)
        store.compare_and_set("champion", None, b"quick")
        return found

    monkeypatch.setattr(slow._bucket, "get_blob", look_and_be_overtaken)
    with pytest.raises(ConflictError, match="expected nothing; received quick"):
        slow.compare_and_set("champion", None, b"slow")
    assert store.read("champion") == b"quick"


def test_a_tree_comes_back_whole_and_its_marker_goes_last(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "saved").mkdir(parents=True)
    (folder / "saved" / "weights").write_bytes(b"w")
    (folder / "model.json").write_bytes(b"{}")
    store.write("versions/v/saved/weights", b"left by a killed upload")
    with pytest.raises(ContractError, match="missing or incomplete"):
        store.get_tree("versions/v", "model.json", tmp_path / "cache")
    store.put_tree(folder, "versions/v", "model.json")
    fetched = store.get_tree("versions/v", "model.json", tmp_path / "cache")
    assert (fetched / "saved" / "weights").read_bytes() == b"w"
    assert sorted(path.name for path in fetched.rglob("*") if path.is_file()) == ["model.json", "weights"]
