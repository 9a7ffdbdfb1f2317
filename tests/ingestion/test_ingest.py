"""ingest.

Every row accounted for, whatever the source holds, and the same files however it runs.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.ingestion import ingest as ingest_module
from components.ingestion.decode import beam_pipeline
from components.ingestion.decode.beam_pipeline import plan_spans, run_flow
from components.ingestion.snapshot import schemas
from components.ingestion.sources.detection import detect
from components.ingestion.sources.layouts import layout as batches_module
from components.ingestion.sources.storage.open import open_place
from components.shared.artifacts.contract import EXAMPLE_COLUMNS, Snapshot, read_marker
from components.shared.errors import EnvironmentProblem, InputError
from components.shared.images.decode import decode
from components.shared.labels import taxonomy
from components.shared.step import progress
from components.shared.store import keys
from tests.ingestion.support import (
    LABELS,
    Bench,
    as_folder,
    as_zip,
    bench,
    class_folders,
    csv_row,
    face,
)
from tests.kfp_output import metadata

TRUNCATED = face("happy", 1)[:60]


def messy() -> dict[str, bytes]:
    """Twelve training and eight test faces, copies of some, and everything that goes wrong in image folders."""
    files = {
        name: content
        for name, content in class_folders(each=6).items()
        if name[-5] < "4" or name.startswith("train")
    }
    files["train/happy/copy.png"] = files["train/happy/0.png"]
    files["train/sad/twin.png"] = files["test/sad/0.png"]
    files["train/happy/conflict.png"] = files["train/sad/1.png"]
    files["train/happy/cut.png"] = TRUNCATED
    files["train/happy/text.jpg"] = b"not a picture"
    files["train/sad/empty.png"] = b""
    files["train/stray.png"] = face("sad", 77)
    files["../outside/happy/1.png"] = face("sad", 78)
    files["/absolute/happy/1.png"] = face("sad", 79)
    files["train/happy/.DS_Store"] = b"x"
    files["train/Thumbs.db"] = b"x"
    files["README.txt"] = b"x"
    return files


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One night on the messy source, ingested."""
    night = bench(tmp_path_factory.mktemp("night"))
    assert night.ingest(as_zip(night.root / "faces.zip", messy())) == 0
    return night


def test_every_file_is_accepted_or_rejected_with_its_reason(night: Bench) -> None:
    assert night.rejected() == {
        "train/happy/cut.png": "truncated",
        "train/happy/text.jpg": "not-an-image",
        "train/sad/empty.png": "empty",
        "train/stray.png": "no-class-folder",
        "../outside/happy/1.png": "unsafe-path",
        "/absolute/happy/1.png": "unsafe-path",
    }
    found = night.findings()
    assert (found["read"], found["accepted"], found["rejected"]) == (29, 23, 6)
    counted = {f"{split} rows": sum(labels.values()) for split, labels in found["counts"].items()}
    told = {
        "snapshot id": found["snapshot_id"],
        "images read": 29,
        "images accepted": 23,
        "images rejected": 6,
        **counted,
    }
    assert metadata(night.root)["examples"] == told
    assert sum(counted.values()) == 23
    assert found["reject_reasons"] == {
        "unsafe-path": 2,
        "empty": 1,
        "no-class-folder": 1,
        "not-an-image": 1,
        "truncated": 1,
    }
    assert len(found["rejected_examples"]) == 6
    assert found["published_counts"] == {"train": 19, "test": 8}
    assert found["layout"] == "class-folders"


def test_rows_hold_the_declared_columns_and_the_bytes_as_received(night: Bench) -> None:
    rows = night.rows()
    files = messy()
    assert [row["source_uri"] for row in rows] == sorted(row["source_uri"] for row in rows)
    for row in rows:
        assert list(row) == list(EXAMPLE_COLUMNS)
        assert None not in row.values()
        assert row["image"] == files[row["source_uri"]]
        assert (row["width"], row["height"], row["channels"], row["format"]) == (16, 16, 1, "PNG")
        assert row["group_id"] == row["content_id"]
        assert row["brightness"] == pytest.approx(decode(row["image"]).pixels.mean(), rel=1e-6)
    assert len({row["example_id"] for row in rows}) == len(rows)


def test_splits_keep_what_is_published_but_for_twins(night: Bench) -> None:
    rows = {row["source_uri"]: row for row in night.rows()}
    assert {row["split"] for name, row in rows.items() if name.startswith("test/")} == {"test"}
    assert (rows["train/sad/twin.png"]["split"], rows["train/sad/twin.png"]["note"]) == (
        "left-out",
        "twin-in-test",
    )
    assert (
        rows["train/happy/0.png"]["split"]
        == rows["train/happy/copy.png"]["split"]
        in ("train", "validation")
    )
    found = night.findings()
    assert {rows[name]["note"] for name in ("train/sad/1.png", "train/happy/conflict.png")} == {
        "label-conflict"
    }
    assert (found["left_out"], found["left_out_reasons"]) == (
        3,
        {"label-conflict": 2, "twin-in-test": 1},
    )
    assert found["counts"]["left-out"]["sad"] == 2
    assert (
        sum(sum(per_label.values()) for per_label in found["counts"].values()) == found["accepted"]
    )


def test_copies_are_counted(night: Bench) -> None:
    assert night.findings()["duplicates"] == {
        "distinct_contents": 20,
        "groups": 3,
        "surplus_rows": 3,
        "test_rows_with_training_twin": 1,
        "conflicting_groups": 1,
        "training_groups": 2,
        "training_surplus_rows": 2,
        "near_groups": 0,
        "near_contents": 0,
        "near_test_rows_with_training_twin": 0,
        "near_constant_rows": 0,
    }


def test_thumbnails_are_small_pictures_of_every_label_that_is_there(night: Bench) -> None:
    thumbnails = night.findings()["thumbnails"]
    assert list(thumbnails) == list(LABELS)
    assert {label for label, pictures in thumbnails.items() if pictures} == {"happy", "sad"}
    assert all(
        picture.startswith("data:image/png;base64,iVBOR")
        for pictures in thumbnails.values()
        for picture in pictures
    )
    assert max(map(len, thumbnails.values())) <= 6


def test_the_snapshot_stands_in_the_store_and_nothing_temporary_is_left(night: Bench) -> None:
    marker = read_marker(night.examples, "examples", Snapshot)
    stored = night.root / "store" / keys.snapshot(marker.source_id, marker.snapshot_id)
    names = sorted(path.name for path in night.examples.iterdir())
    assert names == ["images-00000-of-00001.parquet", "rejected.parquet", "snapshot.json"]
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == {
        name: (night.examples / name).read_bytes() for name in names
    }
    assert (marker.labels, marker.read, marker.rejected, marker.counts) == (
        LABELS,
        29,
        6,
        night.findings()["counts"],
    )


def test_the_same_source_again_gives_the_same_bytes_in_several_batches_and_shards_or_processes(
    night: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = bench(tmp_path)
    assert (
        again.ingest(
            as_folder(
                tmp_path / "faces",
                {
                    name: content
                    for name, content in messy().items()
                    if not name.startswith((".", "/"))
                },
            )
        )
        == 0
    )
    assert {row["example_id"]: row for row in again.rows()} == {
        row["example_id"]: row for row in night.rows()
    }
    assert again.findings()["snapshot_id"] == night.findings()["snapshot_id"]

    monkeypatch.setattr(batches_module, "BATCH_ROWS", 4)
    monkeypatch.setattr(schemas, "SHARD_ROWS", 8)
    first = ingested(tmp_path / "one", night.root / "faces.zip", monkeypatch, processes=1)
    assert len(first) == 3 + 2
    assert first == ingested(tmp_path / "two", night.root / "faces.zip", monkeypatch, processes=1)


@pytest.mark.slow
def test_worker_processes_write_the_same_bytes(
    night: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "BATCH_ROWS", 4)
    monkeypatch.setattr(schemas, "SHARD_ROWS", 8)
    archive = night.root / "faces.zip"
    one, two = (
        ingested(tmp_path / str(count), archive, monkeypatch, processes=count) for count in (1, 2)
    )
    assert one == two


@pytest.mark.slow
def test_an_error_in_a_worker_process_keeps_its_type(tmp_path: Path) -> None:
    archive = as_zip(tmp_path / "faces.zip", class_folders())
    place = open_place(str(archive))
    reading = detect(place, taxonomy("basic-7")).reading(place, tmp_path)
    archive.unlink()
    with pytest.raises(InputError, match="there is no source at"):
        run_flow(
            plan_spans(reading.rows, np.arange(16)), reading, place, str(tmp_path), processes=2
        )


def ingested(
    folder: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, *, processes: int
) -> dict[str, str]:
    """Ingest in a store that knows nothing; SHA-256 of every file of the artifact."""
    monkeypatch.setattr(ingest_module, "processes_for", lambda spans: processes)
    night = bench(folder)
    assert night.ingest(archive) == 0
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in night.examples.iterdir()
    }


def test_row_groups_are_batches_and_pictures_carry_no_statistics(
    night: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "BATCH_ROWS", 10)
    ingested(tmp_path, night.root / "faces.zip", monkeypatch, processes=1)
    file = pq.ParquetFile(tmp_path / "examples" / "images-00000-of-00001.parquet")
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [
        10,
        10,
        3,
    ]
    image = file.metadata.row_group(0).column(list(EXAMPLE_COLUMNS).index("image"))
    assert not image.is_stats_set
    assert image.compression == "UNCOMPRESSED"


def test_without_published_splits_they_are_drawn(tmp_path: Path) -> None:
    night = bench(tmp_path, test_share=0.5)
    assert (
        night.ingest(
            as_folder(
                tmp_path / "faces", class_folders(("",), labels=("happy", "sad", "fear"), each=30)
            )
        )
        == 0
    )
    counts = night.findings()["counts"]
    assert 30 < sum(counts["test"].values()) < 60
    assert night.findings()["published_counts"] == {}
    assert {row["published_split"] for row in night.rows()} == {""}


def test_colour_and_orientation_survive(tmp_path: Path) -> None:
    night = bench(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = class_folders()
    for index in range(3):
        stream = io.BytesIO()
        Image.new("RGB", (30, 20), (200, 10 * index, 40)).save(stream, "JPEG", exif=exif)
        files[f"train/happy/colour-{index}.jpg"] = stream.getvalue()
    assert night.ingest(as_zip(tmp_path / "faces.zip", files)) == 0
    row = next(row for row in night.rows() if row["source_uri"] == "train/happy/colour-1.jpg")
    assert (row["width"], row["height"], row["channels"], row["format"]) == (20, 30, 3, "JPEG")


def test_damage_inside_a_zip_rejects_what_it_hits(tmp_path: Path) -> None:
    night = bench(tmp_path)
    path = as_zip(tmp_path / "faces.zip", class_folders())
    with zipfile.ZipFile(path) as archive:
        start = (
            archive.getinfo("train/happy/2.png").header_offset + 30 + len("train/happy/2.png") + 50
        )
    content = bytearray(path.read_bytes())
    content[start] ^= 0xFF
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the name that it is given twice
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("train/sad/1.png", face("sad", 99))
    assert night.ingest(path) == 0
    assert night.rejected() == {
        "train/happy/2.png": "unreadable",
        "train/sad/1.png": "duplicate-path",
    }


def test_a_huge_file_is_rejected_unread(tmp_path: Path) -> None:
    night = bench(tmp_path)
    folder = as_folder(tmp_path / "faces", class_folders())
    with open(folder / "train/happy/huge.png", "wb") as stream:
        stream.truncate(21_000_000)
    assert night.ingest(folder) == 0
    assert night.rejected() == {"train/happy/huge.png": "too-large"}


def test_names_that_are_no_unicode_are_told_readably(tmp_path: Path) -> None:
    night = bench(tmp_path)
    folder = as_folder(tmp_path / "faces", class_folders())
    with open(bytes(folder) + b"/train/happy/\xff.png", "wb") as stream:
        stream.write(face("happy", 50))
    assert night.ingest(folder) == 0
    assert r"train/happy/\xff.png" in {row["source_uri"] for row in night.rows()}


def test_fer2013_csv_is_read_row_by_row(tmp_path: Path) -> None:
    night = bench(tmp_path)
    good = [
        csv_row(emotion, 10 * index + emotion, usage)
        for emotion in (3, 4)
        for index, usage in enumerate(["Training"] * 6 + ["PublicTest"] * 3)
    ]
    bad = [
        csv_row(7, 1),
        csv_row("x", 1),
        csv_row(3, 1, "Holiday"),
        csv_row(3, 1, side=15),
        f"3,{' '.join(['300'] * 256)},Training",
        f"3,{' '.join(['a'] * 256)},Training",
        "3,1 2 3",
        csv_row(-1, 1),
    ]
    path = tmp_path / "fer.csv"
    path.write_bytes(
        "\r\n".join(
            ["\ufeffemotion,pixels,Usage", *good, "", *bad, csv_row(3, 500, "PrivateTest")]
        ).encode()
        + b"\r\n"
    )
    assert night.ingest(path) == 0
    found = night.findings()
    assert (found["layout"], found["read"], found["accepted"], found["rejected"]) == (
        "fer2013-csv",
        27,
        19,
        8,
    )
    assert list(night.rejected().values()) == [
        "emotion-out-of-range",
        "not-a-number",
        "unknown-usage",
        "wrong-pixel-count",
        "pixel-out-of-range",
        "not-a-number",
        "wrong-columns",
        "emotion-out-of-range",
    ]
    assert found["left_out_reasons"] == {"private-test": 1}
    assert found["published_counts"] == {"train": 18, "test": 6, "private-test": 1}
    rows = night.rows()
    assert rows[0]["source_uri"] == "fer.csv#1"
    assert {row["label"] for row in rows} == {"happy", "sad"}
    pixels = decode(rows[0]["image"]).pixels
    assert " ".join(map(str, pixels.ravel())) == good[0].split(",")[1]


def test_a_csv_in_another_order_without_usage_in_a_zip_gets_drawn_splits(tmp_path: Path) -> None:
    night = bench(tmp_path, test_share=0.5)
    rows = [
        ",".join(f'"{value}"' for value in reversed(csv_row(index % 2 + 3, index).split(",")[:2]))
        for index in range(40)
    ]
    assert (
        night.ingest(
            as_zip(
                tmp_path / "fer.zip",
                {"x/train.csv": "\n".join([" Pixels, Emotion", *rows]).encode()},
            )
        )
        == 0
    )
    assert night.findings()["published_counts"] == {}
    assert {"train", "test"} <= set(night.findings()["counts"]) <= {"train", "validation", "test"}


def test_one_enormous_csv_row_is_rejected_without_reading_it_whole(tmp_path: Path) -> None:
    night = bench(tmp_path)
    rows = [csv_row(index % 2 + 3, index) for index in range(20)]
    (tmp_path / "fer.csv").write_text(
        "\n".join(
            ["emotion,pixels,Usage", *rows, "3," + "1 " * 2_500_000 + ",Training", csv_row(3, 99)]
        )
    )
    assert night.ingest(tmp_path / "fer.csv") == 0
    assert night.rejected() == {"fer.csv#21": "row-too-long"}
    assert night.findings()["accepted"] == 21


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no rows"),
        ([csv_row(3, index) for index in range(4)], "one class only"),
        (["3,1 2 3,Training"], "aren't square images"),
        ([csv_row(index % 2 + 3, index, "PublicTest") for index in range(6)], "no training images"),
        ([csv_row(9, index) for index in range(4)], "none of the 4 images"),
    ],
)
def test_a_csv_that_no_night_can_be_made_of_ends_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], rows: list[str], message: str
) -> None:
    (tmp_path / "fer.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
    night = bench(tmp_path)
    assert night.ingest(tmp_path / "fer.csv") == 2
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (night.examples / "snapshot.json").exists()


def test_a_source_that_changes_after_it_was_listed_stops_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    night = bench(tmp_path)
    folder = as_folder(tmp_path / "faces", class_folders())
    night.resolve(folder)
    (folder / "train/happy/new.png").write_bytes(face("happy", 60))
    arguments = ["--plan", night.output("plan"), "--examples", str(night.examples)]
    assert night._step("ingest", "r1", *arguments) == 2
    assert (
        "changed since this run listed it; expected 16 objects as listed; received 17 objects"
        in capfd.readouterr().err
    )
    assert night._step("ingest", "r1", "--plan", "0" * 64, "--examples", str(night.examples)) == 3
    assert "there is no night plan" in capfd.readouterr().err


def test_progress_reaches_the_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path).ingest(as_folder(tmp_path / "faces", class_folders())) == 0
    seen = [found for found in map(progress.parse, capfd.readouterr().out.splitlines()) if found]
    assert (seen[0].done, seen[-1].done, seen[-1].total, seen[-1].unit) == (0, 16, 16, "images")


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(beam_pipeline, "write_part", full)
    place = open_place(str(as_zip(tmp_path / "faces.zip", class_folders())))
    reading = detect(place, taxonomy("basic-7")).reading(place, tmp_path)
    with pytest.raises(EnvironmentProblem, match="no space left on the device"):
        run_flow(
            plan_spans(reading.rows, np.arange(16)), reading, place, str(tmp_path), processes=1
        )


def test_an_ingest_again_over_a_torn_one_is_whole(night: Bench, tmp_path: Path) -> None:
    again = bench(tmp_path)
    (again.examples / ".parts").mkdir(parents=True)
    (again.examples / "images-00000-of-00009.parquet").write_bytes(b"torn")
    assert again.ingest(night.root / "faces.zip") == 0
    assert len(list(again.examples.iterdir())) == 3
    assert again.findings()["snapshot_id"] == night.findings()["snapshot_id"]


def test_spans_and_row_groups_are_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "BATCH_BYTES", 1000)
    place = open_place(str(as_folder(tmp_path / "faces", class_folders())))
    rows = detect(place, taxonomy("basic-7")).reading(place, tmp_path).rows
    spans = plan_spans(rows, np.arange(16))
    assert len(spans) > 1
    assert all(span.bytes <= 1000 or len(span.rows) == 1 for span in spans)
    assert [row for span in spans for row in span.rows] == list(range(16))
    groups = [
        group for shard in schemas.plan_shards(rows["size"].to_numpy()) for group in shard.groups
    ]
    assert [(end - start) for start, end in groups] == [len(span.rows) for span in spans]
    assert [start for start, _ in groups] == [0, *(end for _, end in groups[:-1])]
