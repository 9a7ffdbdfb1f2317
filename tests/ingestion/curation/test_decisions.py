"""Labels that people give, and pictures that they have forgotten."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.ingestion.__main__ import decide
from components.ingestion.curation.commands import forget, relabel
from components.ingestion.curation.decisions import (
    RELABELS,
    Overlays,
    add_rows,
    overlays_digest,
    parse,
    read_rows,
)
from components.shared.artifacts.contract import Snapshot, read_marker
from components.shared.errors import InputError, UnknownNameError
from components.shared.store import keys
from tests.ingestion.support import Bench, as_folder, bench, class_folders
from tests.ingestion.test_incremental import accept


@pytest.fixture
def night(tmp_path: Path) -> Bench:
    """A night with a copied picture, accepted; a model was trained on it."""
    night = bench(tmp_path)
    files = class_folders(each=5)
    files["train/happy/copy.png"] = files["train/happy/0.png"]
    assert night.ingest(as_folder(tmp_path / "faces", files)) == 0
    marker = accept(night)
    for version, snapshot in (("v1", marker.snapshot_id), ("v2", "another")):
        night.store.write(
            f"{keys.version('small', version)}/model.json",
            json.dumps({"snapshot_id": snapshot}).encode(),
        )
    return night


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([",".join(RELABELS), *rows]) + "\n")
    return path


def test_a_forgotten_picture_leaves_every_later_snapshot_with_its_copies(
    night: Bench, tmp_path: Path
) -> None:
    before = night.store
    found = forget(before, "train/happy/0.png", "anna", tmp_path)
    assert found.rows == ("train/happy/0.png", "train/happy/copy.png")
    assert found.versions == ("small/v1",)
    assert night.ingest(tmp_path / "faces", run="r2") == 0
    assert night.output("work") == "new"
    assert not {row["source_uri"] for row in night.rows()} & set(found.rows)
    figures = night.findings(run="r2")
    assert (figures["forgotten"], figures["read"], figures["rejected"], figures["accepted"]) == (
        2,
        19,
        0,
        19,
    )
    accept(night)
    assert night.ingest(tmp_path / "faces", run="r3") == 0, (
        "it stays forgotten when rows are reused"
    )
    assert night.findings(run="r3")["forgotten"] == 2


def test_forgetting_again_changes_nothing_and_a_stranger_is_told(
    night: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--by", "anna", "--store", night.store.uri]
    assert decide(["forget", "train/happy/0.png", *arguments]) == 0
    assert "trained on them: small/v1" in capsys.readouterr().out
    source_id = read_marker(night.examples, "examples", Snapshot).source_id
    digest = overlays_digest(night.store, source_id)
    assert decide(["forget", "train/happy/copy.png", *arguments]) == 0
    assert overlays_digest(night.store, source_id) == digest
    assert decide(["forget", "nobody.png", *arguments]) == 2
    assert "holds nobody.png; expected an example id" in capsys.readouterr().err


def test_labels_that_people_give_hold_from_the_next_night_on(night: Bench, tmp_path: Path) -> None:
    example = next(
        row["example_id"] for row in night.rows() if row["source_uri"] == "train/sad/1.png"
    )
    file = table(
        tmp_path / "labels.csv",
        f"{example},,sad,fear,,",
        ",train/sad/2.png,,happy,berta,2026-01-01",
        ",train/sad/3.png,angry,fear,,",
    )
    assert relabel(night.store, file, "anna", tmp_path) == 3
    assert relabel(night.store, file, "anna", tmp_path) == 0
    assert night.ingest(tmp_path / "faces", run="r2") == 0
    labels = {row["source_uri"]: row["label"] for row in night.rows()}
    assert [labels[f"train/sad/{number}.png"] for number in (1, 2, 3)] == ["fear", "happy", "sad"]
    assert night.findings(run="r2")["relabelled"] == 2
    assert night.findings(run="r2")["reused"] == 21, "a new label needs no decoding"


@pytest.mark.parametrize(
    ("row", "by", "error", "message"),
    [
        (",train/sad/1.png,,hapy,,", "anna", UnknownNameError, "did you mean 'happy'"),
        (
            ",nowhere.png,,happy,,",
            "anna",
            InputError,
            "line 2 of .* names a row that no snapshot holds",
        ),
        (",train/sad/1.png,,happy,,", "", InputError, "line 2 of .* doesn't say by whom"),
        (",train/sad/1.png", "anna", InputError, "line 2 of .* has 2 values; expected 6"),
    ],
)
def test_a_table_of_labels_that_is_wrong_is_refused_whole(
    night: Bench, tmp_path: Path, row: str, by: str, error: type[Exception], message: str
) -> None:
    file = table(tmp_path / "labels.csv", row)
    with pytest.raises(error, match=message):
        relabel(night.store, file, by, tmp_path)
    assert (
        overlays_digest(night.store, read_marker(night.examples, "examples", Snapshot).source_id)
        == ""
    )


def test_another_header_is_refused() -> None:
    with pytest.raises(
        InputError,
        match=(
            "labels.csv has another header; expected example_id,source_uri,old_label,label,by,at;"
            " received a,b"
        ),
    ):
        parse(b"a,b\n1,2\n", RELABELS, "labels.csv")


def test_the_last_word_about_a_row_holds(tmp_path: Path) -> None:
    store = bench(tmp_path).store
    for label in ("sad", "fear"):
        row = {
            "example_id": "e",
            "source_uri": "",
            "old_label": "",
            "label": label,
            "by": "a",
            "at": "1",
        }
        assert add_rows(store, "s", "relabels", [row]) == 1
    from components.ingestion.curation.decisions import read_overlays

    assert read_overlays(store, "s").label("e", "uri", "happy") == "fear"
    assert Overlays().label("e", "uri", "happy") == "happy"


def test_people_who_decide_at_once_lose_nothing(tmp_path: Path) -> None:
    night = bench(tmp_path)

    def decide_upon(number: int) -> int:
        row = {"content_id": f"c{number}", "source_uri": "", "by": "a", "at": "1"}
        return add_rows(night.store, "s", "tombstones", [row, {**row, "content_id": "shared"}])

    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(decide_upon, range(16)))
    contents = [row["content_id"] for row in read_rows(night.store, "s", "tombstones")]
    assert sorted(contents) == sorted([*(f"c{number}" for number in range(16)), "shared"])
    assert sum(added) == 17
