"""Sources that can't be used fail in resolve or ingest with one clear line.

The report tells it too.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from components.shared.records import Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.artifacts_png import picture
from tests.e2e.nights import TINY, Desk


def empty_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "empty.zip", "w"):
        return folder / "empty.zip"


def not_a_zip(folder: Path) -> Path:
    (folder / "data.zip").write_text("this is no zip")
    return folder / "data.zip"


def no_images(folder: Path) -> Path:
    (folder / "data").mkdir()
    (folder / "data" / "readme.txt").write_text("nothing here")
    return folder / "data"


def one_class(folder: Path) -> Path:
    (folder / "data" / "happy").mkdir(parents=True)
    for index in range(3):
        (folder / "data" / "happy" / f"{index}.png").write_bytes(picture(index))
    return folder / "data"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty_zip, "is empty; expected images"),
        (not_a_zip, "isn't a zip"),
        (no_images, "no images"),
        (one_class, "one class"),
    ],
)
def test_a_source_that_cannot_be_used(tmp_path: Path, make: object, words: str) -> None:
    desk = Desk(tmp_path)
    champion = Pointers(
        champion=Pointer("0123456789ab", "an-earlier-night", "2026-01-01T00:00:00+00:00")
    )
    key, content = keys.pointers(TINY.model_name), to_pretty_json(champion).encode()
    open_store(str(desk.store)).write(key, content)
    summary = desk.run("bad", TINY, make(tmp_path))  # type: ignore[operator]
    assert summary["outcome"] == "failed"
    assert words in summary["error"], summary["error"]
    assert summary["error"].count("\n") == 0
    assert 2 in summary["exit_codes"].values()
    assert open_store(str(desk.store)).read(key) == content
    assert summary["error"].split(";")[0][:40] in Path(summary["report"]).read_text().replace(
        "&#39;", "'"
    )
