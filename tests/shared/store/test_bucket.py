"""The stores in buckets, through the real clients.

Gs:// against a strict server, s3:// against moto.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.errors import ConflictError, ContractError, EnvironmentProblem, InputError
from components.shared.store.bucket import BucketStore
from components.shared.store.interface import open_store
from tests.bucket_server import bucket_process
from tests.moto_bucket import moto_bucket

SERVERS = {"gs": bucket_process, "s3": moto_bucket}


@pytest.fixture(scope="module", params=SERVERS)
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    with SERVERS[request.param]("emotions") as uri:
        yield uri
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the clients leave their sockets to the collector
            gc.collect()


@pytest.fixture
def store(bucket: str, request: pytest.FixtureRequest) -> BucketStore:
    opened = open_store(f"{bucket}/stores/{request.node.originalname}/")
    assert isinstance(opened, BucketStore)
    return opened


def test_values_are_written_read_listed_and_deleted(store: BucketStore) -> None:
    assert store.read("runs/a/x.json") is None
    began = time.time()
    names = [f"runs/{letter}/x.json" for letter in "abcdefghijk"]
    for name in names:
        store.write(name, b"12")
    store.write("runs-and-more/y.json", b"3")
    assert store.read("runs/a/x.json") == b"12"
    assert list(store.list("runs")) == names
    assert list(store.list("")) == sorted([*names, "runs-and-more/y.json"])
    entry = next(store.scan("runs"))
    assert (entry.key, entry.bytes) == ("runs/a/x.json", 2)
    assert abs(entry.modified - began) < 30
    for _ in range(2):
        store.delete("runs/a/x.json")
    assert store.read("runs/a/x.json") is None
    assert list(store.list("runs")) == names[1:]


def test_a_pointer_moves_only_from_what_the_caller_saw(store: BucketStore) -> None:
    store.compare_and_set("champion", None, b"one")
    with pytest.raises(ConflictError, match="expected nothing; received one"):
        store.compare_and_set("champion", None, b"two")
    store.compare_and_set("champion", b"one", b"two")
    assert store.read("champion") == b"two"


@pytest.mark.parametrize("standing", [None, b"old"])
def test_a_writer_that_comes_between_reading_and_writing_wins(
    bucket: str, standing: bytes | None
) -> None:
    quick = open_store(f"{bucket}/race/{standing!r}")
    slow = open_store(quick.uri)
    assert isinstance(slow, BucketStore)
    if standing is not None:
        quick.write("champion", standing)
    look = slow._read  # type: ignore[attr-defined]

    def look_and_be_overtaken(key: str) -> object:
        found = look(key)
        slow._read = look  # type: ignore[attr-defined]
        quick.compare_and_set("champion", standing, b"quick")
        return found

    slow._read = look_and_be_overtaken  # type: ignore[attr-defined]
    with pytest.raises(ConflictError, match="received quick"):
        slow.compare_and_set("champion", standing, b"slow")
    assert quick.read("champion") == b"quick"


def test_a_write_whose_answer_was_lost_counts(store: BucketStore) -> None:
    """The client's second attempt then meets its own first one."""
    look = store._read  # type: ignore[attr-defined]

    def look_then_write(key: str) -> object:
        found = look(key)
        store._read = look  # type: ignore[attr-defined]
        store.write(key, b"mine")
        return found

    store._read = look_then_write  # type: ignore[attr-defined]
    store.compare_and_set("champion", None, b"mine")
    assert store.read("champion") == b"mine"


def model(folder: Path, marker: bytes = b"{}") -> Path:
    (folder / "saved").mkdir(parents=True)
    (folder / "saved" / "weights").write_bytes(b"w")
    (folder / "model.json").write_bytes(marker)
    return folder


def test_a_tree_comes_back_whole_and_its_marker_goes_last(
    store: BucketStore, tmp_path: Path
) -> None:
    store.write("versions/v/saved/weights", b"left by a killed upload")
    with pytest.raises(ContractError, match="missing or incomplete"):
        store.get_tree("versions/v", "model.json", tmp_path / "cache")
    store.put_tree(model(tmp_path / "model"), "versions/v", "model.json")
    store.put_tree(model(tmp_path / "other", b"another"), "versions/v", "model.json")
    fetched = store.get_tree("versions/v", "model.json", tmp_path / "cache")
    assert (fetched / "saved" / "weights").read_bytes() == b"w"
    assert (fetched / "model.json").read_bytes() == b"{}"
    assert sorted(path.name for path in fetched.rglob("*") if path.is_file()) == [
        "model.json",
        "weights",
    ]


def test_a_tree_is_removed_marker_first(store: BucketStore, tmp_path: Path) -> None:
    store.put_tree(model(tmp_path / "model"), "versions/v", "model.json")
    gone: list[str] = []
    delete = store.delete
    store.delete = lambda key: (gone.append(key), delete(key))[1]  # type: ignore[func-returns-value,method-assign]
    for _ in range(2):
        store.delete_tree("versions/v", "model.json")
    assert gone[0] == "versions/v/model.json"
    assert list(store.list("versions")) == []


def test_a_bucket_that_is_not_there(bucket: str) -> None:
    store = open_store(f"{bucket}-elsewhere/x")
    for attempt in (lambda: store.write("a", b"1"), lambda: list(store.list("a"))):
        with pytest.raises(EnvironmentProblem, match="can't .* check the bucket's name"):
            attempt()


@pytest.mark.parametrize("uri", ["gs://", "s3:///prefix"])
def test_a_uri_without_a_bucket(uri: str) -> None:
    with pytest.raises(InputError, match="names no bucket"):
        open_store(uri)


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd"])
def test_a_key_never_leaves_the_prefix(store: BucketStore, key: str) -> None:
    with pytest.raises(InputError, match="isn't a key"):
        store.read(key)
