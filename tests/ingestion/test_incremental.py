"""A night that knows the night before.

Only new objects are decoded, and the files are those of a full ingestion.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.ingestion.decode import images
from components.shared.artifacts.contract import Snapshot, read_marker
from components.shared.images import decode
from components.shared.store import keys
from tests.ingestion.support import Bench, as_folder, as_zip, bench, class_folders, face


def accept(night: Bench) -> Snapshot:
    """What validation does when a night's data is good."""
    marker = read_marker(night.examples, "examples", Snapshot)
    night.store.write(
        keys.accepted_snapshot(marker.source_id),
        json.dumps({"snapshot_id": marker.snapshot_id}).encode(),
    )
    return marker


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every content that was decoded."""
    seen: list[bytes] = []

    def counted(content: bytes) -> Any:
        seen.append(content)
        return decode.decode(content)

    monkeypatch.setattr(images, "decode", counted)
    return seen


def changed(content: dict[str, bytes]) -> dict[str, bytes]:
    """One picture more in front and one in the middle, one other, one gone, one moved, one that is damaged."""
    files = {
        **content,
        "test/happy/00.png": face("happy", 900),
        "train/happy/15.png": face("happy", 901),
        "train/sad/2.png": face("sad", 902),
    }
    files["train/sad/moved.png"] = files.pop("train/sad/0.png")
    files["train/happy/bad.png"] = b"bad"
    del files["train/happy/3.png"]
    return files


@pytest.mark.parametrize(
    "packed",
    [as_zip, lambda path, content: as_folder(path.with_suffix(""), content)],
    ids=["zip", "folder"],
)
def test_only_what_is_new_is_decoded_and_the_files_are_those_of_a_full_ingestion(
    tmp_path: Path, packed: Any, decodes: list[bytes]
) -> None:
    night = bench(tmp_path)
    content = class_folders(each=8)
    assert night.ingest(packed(tmp_path / "faces.zip", content)) == 0
    accept(night)
    shutil.rmtree(tmp_path / "faces", ignore_errors=True)
    times = {name: 10**18 + index for index, name in enumerate(content)}
    source = packed(tmp_path / "faces.zip", content)
    if source.is_dir():
        for name, time in times.items():
            os.utime(source / name, ns=(time, time))
    assert night.ingest(source, run="r2") == 0
    accept(night)
    tonight = changed(content)
    decodes.clear()
    for name in content:
        if source.is_dir() and name not in tonight:
            (source / name).unlink()
    source = packed(tmp_path / "faces.zip", tonight) if not source.is_dir() else source
    if source.is_dir():
        as_folder(
            source, {name: data for name, data in tonight.items() if content.get(name) != data}
        )
    assert night.ingest(source, run="r3") == 0
    found = night.findings(run="r3")
    assert (found["accepted"], found["reused"], found["gone"], found["rejected"]) == (33, 29, 3, 1)
    assert sorted(decodes) == sorted(
        tonight[name] for name in tonight if name not in content or tonight[name] != content[name]
    )
    incremental = files(night.examples)

    # The same night with the same memory of groups, but nothing to take rows from.
    marker = read_marker(night.examples, "examples", Snapshot)
    shutil.rmtree(night.root / "store" / "snapshots" / marker.source_id / "indices")
    assert night.ingest(source, run="r4") == 0
    assert night.findings(run="r4")["reused"] == 0
    assert files(night.examples) == incremental

    # And in a store that knows nothing.
    fresh = bench(tmp_path / "fresh")
    assert fresh.ingest(source) == 0
    assert files(fresh.examples) == incremental


def test_rows_of_another_reading_code_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = bench(tmp_path)
    source = as_zip(tmp_path / "faces.zip", class_folders())
    assert night.ingest(source) == 0
    accept(night)
    monkeypatch.setattr("components.ingestion.snapshot.previous.reading_code", lambda: "another")
    assert night.ingest(source, run="r2") == 0
    assert night.findings(run="r2")["reused"] == 0


def test_a_label_comes_from_tonights_source_and_not_from_the_earlier_row(tmp_path: Path) -> None:
    night = bench(tmp_path)
    content = dict(class_folders(("",), each=30).items())
    assert night.ingest(as_folder(tmp_path / "faces", content)) == 0
    accept(night)
    before = {row["content_id"]: row["split"] for row in night.rows()}
    (tmp_path / "faces" / "happy" / "7.png").rename(tmp_path / "faces" / "sad" / "seven.png")
    assert night.ingest(tmp_path / "faces", run="r2") == 0
    row = next(row for row in night.rows() if row["source_uri"] == "sad/seven.png")
    assert row["label"] == "sad"
    assert {row["content_id"]: row["split"] for row in night.rows()} == before, (
        "no picture changes split"
    )
