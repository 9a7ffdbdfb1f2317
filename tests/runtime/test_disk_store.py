from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from components.contracts.errors import ConflictError, ContractError, InputError
from components.runtime.disk_store import DiskStore
from components.runtime.store import open_store


def test_values_are_written_and_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert store.read("runs/a/x.json") is None
    store.write("runs/a/x.json", b"1")
    store.write("runs/b/y.json", b"2")
    assert store.read("runs/a/x.json") == b"1"
    assert list(store.list("runs")) == ["runs/a/x.json", "runs/b/y.json"]
    assert list(store.list("nothing")) == []


def test_a_pointer_moves_only_from_what_the_caller_saw(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.compare_and_set("champion", None, b"one")
    with pytest.raises(ConflictError, match="champion was changed by someone else; expected nothing; received one"):
        store.compare_and_set("champion", None, b"two")
    store.compare_and_set("champion", b"one", b"two")
    assert store.read("champion") == b"two"
    assert list(store.list("")) == ["champion"]


def _promote(root: Path, name: str, won: multiprocessing.Queue[str]) -> None:
    try:
        DiskStore(root).compare_and_set("champion", None, name.encode())
    except ConflictError:
        return
    won.put(name)


def test_of_many_processes_exactly_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    won: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_promote, args=(tmp_path, f"version-{index}", won)) for index in range(16)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    winner = won.get(timeout=5)
    assert won.empty()
    assert DiskStore(tmp_path).read("champion") == winner.encode()


def test_a_tree_is_seen_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, folder = DiskStore(tmp_path / "store"), tmp_path / "model"
    (folder / "saved").mkdir(parents=True)
    (folder / "saved" / "weights").write_bytes(b"w")
    (folder / "model.json").write_bytes(b"{}")
    with monkeypatch.context() as patch:
        patch.setattr("os.rename", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            store.put_tree(folder, "models/m/versions/v", "model.json")
    with pytest.raises(ContractError, match="missing or incomplete"):
        store.get_tree("models/m/versions/v", "model.json", tmp_path)
    assert list(store.list("models")) == []
    store.put_tree(folder, "models/m/versions/v", "model.json")
    assert (store.get_tree("models/m/versions/v", "model.json", tmp_path) / "saved" / "weights").read_bytes() == b"w"


def test_an_immutable_tree_is_never_written_twice(tmp_path: Path) -> None:
    store, folder = DiskStore(tmp_path / "store"), tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_bytes(b"first")
    store.put_tree(folder, "versions/v", "model.json")
    (folder / "model.json").write_bytes(b"second")
    store.put_tree(folder, "versions/v", "model.json")
    assert store.read("versions/v/model.json") == b"first"


@pytest.mark.parametrize("key", ["../outside", "a/../../b", "/etc/passwd"])
def test_a_key_never_leaves_the_root(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="isn't a key"):
        DiskStore(tmp_path).read(key)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="can't open the store ftp://x; expected a folder or a gs:// URI"):
        open_store("ftp://x")
