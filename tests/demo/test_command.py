"""The command: layouts, incremental nights, kills, and folders of other people."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from components.ingestion.sources.detection import detect
from components.ingestion.sources.layouts.layout import GrayPixels, Refusal
from components.ingestion.sources.storage.open import localized, open_place
from components.shared.images.decode import ImageRefused, decode
from components.shared.labels import taxonomy
from components.shared.step.progress import parse
from pipelines.demo.__main__ import main
from pipelines.demo.folder import MANIFEST, SCRATCH
from tests.ingestion.support import rows_read

COUNT = 120
SMALL = ["--count", str(COUNT), "--size", "16", "--corrupt", "0.05", "--duplicates", "0.05"]


def draw(folder: Path, night: int, *more: str) -> int:
    return main(["--output", str(folder), "--night", str(night), *SMALL, *more])


def tree(folder: Path) -> dict[str, str]:
    """Digest of every file, the manifest too, by relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--layout", "split-folders"),
        ("--zip",),
        ("--layout", "fer2013-csv"),
        ("--layout", "fer2013-csv", "--zip"),
    ],
)
def test_same_arguments_same_bytes(tmp_path: Path, more: tuple[str, ...]) -> None:
    assert draw(tmp_path / "one", 1, *more) == 0
    assert draw(tmp_path / "two", 1, *more) == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize(
    "more", [(), ("--layout", "split-folders"), ("--zip",), ("--layout", "fer2013-csv")]
)
def test_night_after_night_equals_the_night_at_once(tmp_path: Path, more: tuple[str, ...]) -> None:
    for night in (0, 1, 2):
        assert draw(tmp_path / "nightly", night, *more) == 0
    assert draw(tmp_path / "at-once", 2, *more) == 0
    assert tree(tmp_path / "nightly") == tree(tmp_path / "at-once")


def test_a_night_twice_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(tmp_path, 1)
    before = times(tmp_path)
    capsys.readouterr()
    assert draw(tmp_path, 1) == 0
    assert times(tmp_path) == before
    assert "(0 files new, 0 changed, 0 gone" in capsys.readouterr().out


def test_a_further_night_touches_only_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path, 0, "--count", "500")
    before = times(tmp_path)
    capsys.readouterr()
    draw(tmp_path, 1, "--count", "500")
    after = times(tmp_path)
    manifest = {str(tmp_path / MANIFEST)}
    assert len(after.keys() - before.keys()) == 30
    assert len(before.keys() - after.keys()) == 15
    assert (
        len(
            {path for path in before.keys() & after.keys() if before[path] != after[path]}
            - manifest
        )
        == 5
    )
    assert "(30 files new, 5 changed, 15 gone, 480 kept)" in capsys.readouterr().out


def test_back_to_an_earlier_night_and_to_another_layout(tmp_path: Path) -> None:
    draw(tmp_path / "fresh", 0, "--zip")
    for more in ((), ("--layout", "split-folders"), ("--zip",)):
        draw(tmp_path / "used", 3, *more)
    draw(tmp_path / "used", 0, "--zip")
    assert tree(tmp_path / "used") == tree(tmp_path / "fresh")
    assert [path.name for path in (tmp_path / "used").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("more", "split_published"),
    [
        ((), False),
        (("--zip",), False),
        (("--layout", "split-folders"), True),
        (("--layout", "split-folders", "--zip"), True),
    ],
)
def test_folders_go_in_through_the_front_door(
    tmp_path: Path, more: tuple[str, ...], split_published: bool
) -> None:
    draw(tmp_path / "faces", 0, *more)
    source = tmp_path / "faces" / "faces.zip" if "--zip" in more else tmp_path / "faces"
    records = read(source, tmp_path)
    assert len(records) == COUNT
    assert {label for label, *_ in records} == set(taxonomy("basic-7").labels)
    assert {split for _, split, _ in records} == ({"train", "test"} if split_published else {""})
    assert sum(not readable(content) for *_, content in records) == pytest.approx(
        0.05 * COUNT, abs=2
    )


@pytest.mark.parametrize("more", [(), ("--zip",)])
def test_the_table_goes_in_through_the_front_door(tmp_path: Path, more: tuple[str, ...]) -> None:
    draw(tmp_path / "faces", 0, "--layout", "fer2013-csv", *more)
    records = read(tmp_path / "faces" / ("fer2013.zip" if more else "fer2013.csv"), tmp_path)
    assert len(records) == COUNT
    refused = [content for *_, content in records if isinstance(content, Refusal)]
    assert len(refused) == pytest.approx(0.05 * COUNT, abs=2)
    assert {content.side for *_, content in records if isinstance(content, GrayPixels)} == {16}
    assert {split for _, split, _ in records} >= {"train", "test"}


def read(source: Path, scratch: Path) -> list[tuple[str, str, object]]:
    """Everything that ingestion reads of a source: label, published split, content."""
    place = open_place(str(source))
    layout = detect(place, taxonomy("basic-7"))
    folder = scratch / "scratch"
    folder.mkdir()
    return [
        (row.label, row.published_split, row.content)
        for row in rows_read(layout, localized(place, folder), folder)
    ]


def readable(content: object) -> bool:
    if not isinstance(content, bytes):
        return not isinstance(content, Refusal)
    try:
        return decode(content).pixels.shape == (16, 16)
    except ImageRefused:
        return False


def test_table_and_folders_hold_the_same_pixels(tmp_path: Path) -> None:
    draw(tmp_path / "table", 0, "--layout", "fer2013-csv")
    draw(tmp_path / "folders", 0)
    line = (tmp_path / "table" / "fer2013.csv").read_text().splitlines()[1].split(",")
    first = decode(next((tmp_path / "folders").glob("*/face-000000.png")).read_bytes()).pixels
    assert line[1] == " ".join(map(str, first.ravel()))


def test_a_further_night_of_a_zip_copies_what_stays(tmp_path: Path) -> None:
    draw(tmp_path, 0, "--zip")
    with zipfile.ZipFile(tmp_path / "faces.zip") as archive:
        entries = {entry: archive.read(entry) for entry in archive.infolist()}
    marked = next(entry for entry, content in entries.items() if content)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, b"kept" if entry is marked else content)
    draw(tmp_path, 1, "--zip")
    with zipfile.ZipFile(tmp_path / "faces.zip") as archive:
        assert archive.testzip() is None
        assert archive.read(marked.filename) == b"kept"


def test_a_file_of_ours_that_vanished_is_drawn_again(tmp_path: Path) -> None:
    draw(tmp_path, 0)
    whole = tree(tmp_path)
    next(tmp_path.glob("happy/*.png")).unlink()
    draw(tmp_path, 0)
    assert tree(tmp_path) == whole


@pytest.mark.parametrize("drawn", [False, True])
def test_a_folder_with_foreign_files_is_refused_untouched(
    tmp_path: Path, drawn: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if drawn:
        draw(tmp_path, 0)
    (tmp_path / "happy").mkdir(exist_ok=True)
    (tmp_path / "happy" / "grandmother.png").write_bytes(b"dear to somebody")
    before = tree(tmp_path)
    assert draw(tmp_path, 1) == 2
    assert tree(tmp_path) == before
    assert (
        "such as happy/grandmother.png; to fix it: choose another --output"
        in capsys.readouterr().err
    )


def test_a_manifest_cannot_point_outside_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = tmp_path / "victim.png"
    victim.write_bytes(b"keep me")
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / MANIFEST).write_text('{"version": 1, "night": 0, "files": {"../victim.png": "x"}}')
    assert draw(folder, 0) == 3
    assert victim.read_bytes() == b"keep me"
    assert "wasn't written by this program" in capsys.readouterr().err


def test_files_whose_names_start_with_a_dot_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"desktop")
    draw(tmp_path, 0)
    draw(tmp_path, 1)
    assert (tmp_path / ".DS_Store").read_bytes() == b"desktop"


def test_output_that_is_a_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert draw(tmp_path / "file", 0) == 5
    assert re.fullmatch(
        r"drawing failed: can't draw into .*; expected a folder; .*\n", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--layout", "split-folder"), "did you mean 'split-folders'"),
        (("--layout", "fer2013-csv", "--channels", "3"), "gray pictures only"),
        (("--count", "0"), "count is out of range"),
        (("--imbalance", "evn"), "did you mean 'even'"),
    ],
)
def test_bad_arguments_are_one_clear_line(
    tmp_path: Path, more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(tmp_path / "faces", 0, *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "faces").exists()


def test_progress_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(tmp_path, 0)
    told = [told for line in capsys.readouterr().out.splitlines() if (told := parse(line))]
    assert (told[-1].done, told[-1].total) == (COUNT, COUNT)


@pytest.mark.parametrize(
    ("how", "more"),
    [
        (signal.SIGKILL, ()),
        (signal.SIGTERM, ()),
        (signal.SIGKILL, ("--zip",)),
        (signal.SIGINT, ("--zip",)),
    ],
)
def test_killed_and_drawn_again_equals_an_uninterrupted_draw(
    tmp_path: Path, how: signal.Signals, more: tuple[str, ...]
) -> None:
    arguments = ["--size", "96", "--count", "300", *more]
    draw(tmp_path / "whole", 1, *arguments)
    folder = tmp_path / "killed"
    draw(folder, 0, *arguments)
    command = [
        sys.executable,
        "-m",
        "pipelines.demo",
        "--output",
        str(folder),
        "--night",
        "1",
        *SMALL,
        *arguments,
        "--seed",
        "8",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": "."},
    )
    deadline = time.monotonic() + 60
    while not (folder / SCRATCH).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(how)
    assert process.wait() != 0, "the draw was over before it could be killed"
    assert json.loads((folder / MANIFEST).read_text())["night"] == 0, (
        "a night counts only when it is complete"
    )
    assert draw(folder, 1, *arguments) == 0
    assert tree(folder) == tree(tmp_path / "whole")
