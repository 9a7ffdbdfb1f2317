from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.shared.errors import ConflictError, ContractError, InputError
from components.shared.store.disk import DiskStore
from components.shared.store.interface import open_store

SHM = Path("/dev/shm")  # another disk than that of temporary files, on most machines


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
    with pytest.raises(
        ConflictError, match="champion was changed by someone else; expected nothing; received one"
    ):
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
    processes = [
        context.Process(target=_promote, args=(tmp_path, f"version-{index}", won))
        for index in range(16)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    winner = won.get(timeout=5)
    assert won.empty()
    assert DiskStore(tmp_path).read("champion") == winner.encode()


def test_a_tree_is_seen_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert (
        store.get_tree("models/m/versions/v", "model.json", tmp_path) / "saved" / "weights"
    ).read_bytes() == b"w"


def _put_trees(root: Path, model: Path, torn: list[str], started: object) -> None:
    store = DiskStore(root)
    started.wait(30)  # type: ignore[attr-defined]
    for _ in range(20):
        store.put_tree(model, "versions/v", "model.json")
        folder = store.get_tree("versions/v", "model.json", root)
        if not (folder / "saved" / "weights").is_file():
            torn.append("torn")


def test_many_writers_of_one_tree_never_take_it_away(tmp_path: Path) -> None:
    """Also where a torn tree, such as an older program left, stands in the way at first."""
    model = tmp_path / "model"
    (model / "saved").mkdir(parents=True)
    (model / "saved" / "weights").write_bytes(b"w" * 100_000)
    (model / "model.json").write_bytes(b"{}")
    (tmp_path / "store" / "versions" / "v").mkdir(parents=True)
    (tmp_path / "store" / "versions" / "v" / "half").write_bytes(b"torn")
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        torn, started = manager.list(), context.Barrier(8)
        processes = [
            context.Process(target=_put_trees, args=(tmp_path / "store", model, torn, started))
            for _ in range(8)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 8
        assert not torn
    assert list(DiskStore(tmp_path / "store").list("versions")) == [
        "versions/v/model.json",
        "versions/v/saved/weights",
    ]
    hidden = [path.name for path in (tmp_path / "store" / "versions").iterdir() if path.name != "v"]
    assert hidden == [".v.lock"], "no staging stays"


def test_half_written_and_half_removed_trees_are_invisible(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.write("versions/v/model.json", b"{}")
    (tmp_path / "versions" / ".w.abc" / "tree").mkdir(parents=True)
    (tmp_path / "versions" / ".w.abc" / "tree" / "model.json").write_bytes(b"{}")
    assert list(store.list("versions")) == ["versions/v/model.json"]
    entry = next(store.scan("versions"))
    assert (entry.bytes, entry.modified) == (2, (tmp_path / entry.key).stat().st_mtime)
    for _ in range(2):
        store.delete_tree("versions/v", "model.json")
    assert list(store.list("versions")) == []
    assert not (tmp_path / "versions" / "v").exists()


def test_what_killed_writers_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.write("versions/v/model.json", b"{}")
    (tmp_path / "versions" / ".w.abc" / "tree").mkdir(parents=True)
    (tmp_path / "versions" / ".w.abc" / "tree" / "weights").write_bytes(b"w" * 10)
    (tmp_path / "versions" / ".x.lock").touch()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".summary.json.77.tmp").write_bytes(b"half")
    assert store.sweep(time.time() - 3600) == 0
    assert store.sweep(time.time() + 3600) == 14
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        ".x.lock",
        "model.json",
    ]


def test_an_immutable_tree_is_never_written_twice(tmp_path: Path) -> None:
    store, folder = DiskStore(tmp_path / "store"), tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_bytes(b"first")
    store.put_tree(folder, "versions/v", "model.json")
    (folder / "model.json").write_bytes(b"second")
    store.put_tree(folder, "versions/v", "model.json")
    assert store.read("versions/v/model.json") == b"first"


def test_files_of_a_tree_are_copied_while_it_grows(tmp_path: Path) -> None:
    store, folder = DiskStore(tmp_path / "store"), tmp_path / "model"
    (folder / "saved").mkdir(parents=True)
    (folder / "saved" / "weights").write_bytes(b"w")
    taken: list[str] = []

    def growing() -> Iterator[str]:
        for name in ("one", "two"):
            (folder / name).write_text(name)
            yield name
            taken.append(name)
        assert list(store.list("versions")) == [], "nothing is seen before all of it is"
        (folder / "model.json").write_bytes(b"{}")

    store.put_tree(folder, "versions/v", "model.json", growing())
    later = iter(taken)
    store.put_tree(folder, "versions/v", "model.json", later)
    assert taken == ["one", "two"]
    assert list(later) == [], "taken, although the tree stands"
    found = {key.rpartition("/")[2]: store.read(key) for key in store.list("versions")}
    assert found == {"model.json": b"{}", "one": b"one", "two": b"two", "weights": b"w"}
    assert (folder / "one").samefile(tmp_path / "store/versions/v/one"), (
        "large files that are whole stand on the disk once"
    )
    assert not (folder / "model.json").samefile(tmp_path / "store/versions/v/model.json")


@pytest.mark.skipif(
    not SHM.is_dir() or SHM.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev,
    reason="one disk only",
)
def test_growing_files_are_copied_to_another_disk(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "model.json").write_bytes(b"{}")
    with tempfile.TemporaryDirectory(dir=SHM) as elsewhere:
        DiskStore(Path(elsewhere)).put_tree(tmp_path, "v", "model.json", ["one"])
        assert (Path(elsewhere) / "v" / "one").read_bytes() == b"one"


def test_writers_of_one_key_never_mix_what_they_write(tmp_path: Path) -> None:
    store, torn = DiskStore(tmp_path), []

    def write(number: int) -> None:
        for _ in range(10):
            store.write("index.html", bytes([number]) * 300_000)
            content = store.read("index.html") or b""
            if len(content) != 300_000 or len(set(content)) != 1:
                torn.append(number)

    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(write, range(8))
        )  # threads of one process have one process id, like the pods that share a volume
    assert not torn
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.parametrize("key", ["../outside", "a/../../b", "/etc/passwd"])
def test_a_key_never_leaves_the_root(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="isn't a key"):
        DiskStore(tmp_path).read(key)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(
        InputError,
        match="can't open the store ftp://x; expected a folder, or a gs://, s3:// or pvc:// URI",
    ):
        open_store("ftp://x")
