"""The gs:// store against the public emulator, which knows no preconditions.

`test_bucket_stores` has a server that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.errors import ConflictError, ContractError, EnvironmentProblem
from components.shared.store.interface import Store, open_store
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
    assert [entry.bytes for entry in store.scan("runs")] == [1, 1]
    store.delete("runs/a/x.json")
    store.delete("runs/a/x.json")
    assert list(store.list("runs")) == ["runs/b/y.json"]


def test_a_pointer_moves_only_from_what_the_caller_saw(store: Store) -> None:
    store.compare_and_set("champion", None, b"one")
    with pytest.raises(ConflictError, match="expected nothing; received one"):
        store.compare_and_set("champion", None, b"two")
    store.compare_and_set("champion", b"one", b"two")
    assert store.read("champion") == b"two"


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
    assert sorted(path.name for path in fetched.rglob("*") if path.is_file()) == [
        "model.json",
        "weights",
    ]


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        "",
        "[]",
        "{}",
        '{"type": "service_account"}',
        '{"type": "impersonated_service_account"}',
        '{"type": "external_account"}',
    ],
)
def test_without_credentials_that_can_be_used_it_is_said_how_to_log_in(
    credentials: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    file = tmp_path / "credentials.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    if credentials is not None:
        file.write_text(credentials)
    with pytest.raises(
        EnvironmentProblem,
        match="can't open gs://emotions/here: .*gcloud auth application-default login",
    ):
        open_store("gs://emotions/here")
