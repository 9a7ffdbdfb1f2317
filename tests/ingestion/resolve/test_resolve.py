"""resolve: layouts, bad sources, what is new, and resuming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.ingestion.resolve.policy import decide
from components.ingestion.resolve.resolve import source_id
from components.shared.errors import ContractError
from components.shared.records import JudgedRun, Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import to_json
from components.shared.step.preset_argument import preset_of_run, read_preset
from components.shared.store import keys
from tests.ingestion.support import Bench, as_folder, as_zip, bench, class_folders, csv_row, face

HEADER = "emotion,pixels,Usage"


@pytest.fixture
def night(tmp_path: Path) -> Bench:
    return bench(tmp_path)


def record(night: Bench, outcome: str = "rejected", run: str = "r0") -> None:
    """What reporting writes at the end of a judged night."""
    plan = night.plan()
    value = {
        "fingerprint": plan.fingerprint,
        "run_id": run,
        "outcome": outcome,
        "listing_digest": plan.listing.digest,
        "preset_digest": plan.preset_digest,
        "code_version": plan.code_version,
        "objects": plan.listing.objects,
    }
    night.store.write(keys.pointer("small", "last-night"), json.dumps(value).encode())


@pytest.mark.parametrize(
    ("files", "name", "objects"),
    [
        (class_folders(("train", "test")), "class-folders", 16),
        (class_folders(("TRAINING", "PublicTest", "Val")), "class-folders", 24),
        (class_folders(("",)), "class-folders", 8),
        (
            {f"archive/data/{path}": content for path, content in class_folders().items()},
            "class-folders",
            16,
        ),
        (
            {path.replace("/", "\\"): content for path, content in class_folders().items()},
            "class-folders",
            16,
        ),
        (
            {"deep/faces.csv": "\n".join([HEADER, csv_row(0, 1), csv_row(1, 2)]).encode()},
            "fer2013-csv",
            1,
        ),
        ({**class_folders(), "labels.csv": b"file,label\n"}, "class-folders", 16),
    ],
)
def test_layouts_are_recognized_in_a_zip(
    night: Bench, tmp_path: Path, files: dict[str, bytes], name: str, objects: int
) -> None:
    assert night.resolve(as_zip(tmp_path / "faces.zip", files)) == 0
    assert (night.plan().listing.layout, night.plan().listing.objects) == (name, objects)


def test_a_folder_is_read_as_the_zip_of_it(night: Bench, tmp_path: Path) -> None:
    files = {
        **class_folders(),
        "train/.DS_Store": b"x",
        "Thumbs.db": b"x",
        "__MACOSX/train/happy/._0.png": b"x",
        "README.txt": b"x",
    }
    assert night.resolve(as_folder(tmp_path / "faces", files)) == 0
    in_folder = night.plan().listing
    assert night.resolve(as_zip(tmp_path / "faces.zip", files), run="r2") == 0
    assert (in_folder.objects, in_folder.bytes) == (16, night.plan().listing.bytes)


def test_links_inside_the_source_are_followed_and_loops_end(night: Bench, tmp_path: Path) -> None:
    folder = as_folder(
        tmp_path / "faces",
        {f"all/{name}": content for name, content in class_folders(("",)).items()},
    )
    (folder / "train").symlink_to(folder / "all")
    (folder / "all" / "happy" / "loop").symlink_to(folder / "all")
    assert night.resolve(folder) == 0
    assert night.plan().listing.objects == 8


def test_a_linked_folder_outside_the_source_is_not_read(night: Bench, tmp_path: Path) -> None:
    outside = as_folder(tmp_path / "elsewhere", {"secret.png": face("happy", 9)})
    folder = as_folder(tmp_path / "faces", class_folders())
    (folder / "train" / "more").symlink_to(outside)
    assert night.ingest(folder) == 0
    assert night.rejected() == {"train/more/": "link-outside"}


BAD: dict[str, tuple[dict[str, bytes], str]] = {
    "empty zip": ({}, "is empty"),
    "no images": ({"readme.txt": b"x"}, "holds no images"),
    "only a hidden image": ({"train/happy/._1.png": b"x"}, "holds no images"),
    "no class folders": ({"1.png": b"x", "2.png": b"x"}, "no class folders"),
    "unknown classes": (
        {
            **class_folders(),
            "train/hapy/1.png": b"x",
            "train/zzz/1.png": b"x",
            "trainn/sad/1.png": b"x",
        },
        (
            "'hapy' (1 images; did you mean 'happy'?), 'trainn' (1 images; did you mean 'train'?),"
            " 'zzz' (1 images)"
        ),
    ),
    "one class": (
        class_folders(labels=("happy",)),
        "one class only; expected at least two classes; received happy (8 images)",
    ),
    "no training images": (class_folders(("test",)), "holds no training images"),
    "empty CSV": ({"a.csv": b""}, "wrong header or none"),
    "wrong header": ({"a.csv": b"file,label\n1,2\n"}, "received a.csv: file,label"),
    "two tables": (
        {"a.csv": HEADER.encode(), "b.csv": HEADER.encode()},
        "several tables of images",
    ),
    "only unsafe paths": ({"../x/happy/1.png": b"x"}, "no class folders"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_source_ends_in_one_clear_line(
    night: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    files, message = BAD[what]
    assert night.resolve(as_zip(tmp_path / "faces.zip", files)) == 2
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "there is no source at"),
        ("broken.zip", b"PK\x03\x04 not really", "isn't a zip archive"),
        ("empty.zip", b"", "isn't a zip archive"),
        ("picture.png", face("happy", 1), "expected a folder, a .zip"),
        ("nothing.csv", b"", "wrong header or none"),
    ],
)
def test_a_bad_path_ends_in_one_clear_line(
    night: Bench,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert night.resolve(tmp_path / name) == 2
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [("", "no source is named"), ("ftp://host/x", "can't read the source ftp://host/x")],
)
def test_a_bad_uri_ends_in_one_clear_line(
    night: Bench, capfd: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    assert night.resolve(source) == 2
    assert message in capfd.readouterr().err


def test_a_half_written_zip_is_refused(
    night: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = as_zip(tmp_path / "faces.zip", class_folders())
    path.write_bytes(path.read_bytes()[:-200])
    assert night.resolve(path) == 2
    assert "isn't a zip archive" in capfd.readouterr().err


def test_outputs_are_plain_text_in_folders_that_it_makes(night: Bench, tmp_path: Path) -> None:
    assert night.resolve(as_zip(tmp_path / "faces.zip", class_folders())) == 0
    findings = night.findings("resolve")
    assert (night.output("work"), night.output("run")) == ("new", "r1")
    assert night.output("plan") == findings["plan_digest"]
    assert findings["plan"]["reason"] == "this is the first night: 16 objects"
    assert json.loads(findings["preset_json"])["name"] == "small"


def test_the_same_night_again_is_nothing_new_and_tells_how_it_ended(
    night: Bench, tmp_path: Path
) -> None:
    source = as_zip(tmp_path / "faces.zip", class_folders())
    night.resolve(source)
    record(night)
    assert night.resolve(source, run="r2") == 0
    assert night.output("work") == "nothing-new"
    assert (
        night.plan().reason
        == "nothing changed since run r0, which ended rejected: the same 16 objects, preset and"
        " code"
    )


@pytest.mark.parametrize(
    ("force", "word"),
    [("True", "new"), ("true", "new"), ("False", "nothing-new"), ("false", "nothing-new")],
)
def test_force_works_on_an_unchanged_night(
    night: Bench, tmp_path: Path, force: str, word: str
) -> None:
    source = as_zip(tmp_path / "faces.zip", class_folders())
    night.resolve(source)
    record(night)
    night.resolve(source, run="r2", force=force)
    assert night.output("work") == word


def test_a_changed_source_or_code_is_new_and_the_reason_says_which(
    night: Bench, tmp_path: Path
) -> None:
    night.resolve(as_zip(tmp_path / "faces.zip", class_folders()))
    record(night)
    night.resolve(as_zip(tmp_path / "faces.zip", class_folders(each=5)), run="r2")
    assert night.plan().reason.startswith(
        "the source changed (20 objects now, 16 before) since run r0"
    )
    night.resolve(as_zip(tmp_path / "faces.zip", class_folders()), run="r3", code="c2")
    assert night.plan().reason.startswith("the code changed since run r0")


def test_a_file_rewritten_with_the_same_size_is_a_change(night: Bench, tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "faces", class_folders())
    night.resolve(folder)
    record(night)
    os.utime(folder / "train/happy/0.png", ns=(1, 1))
    night.resolve(folder, run="r2")
    assert night.output("work") == "new"


def test_a_zip_packed_again_with_the_same_content_is_no_change(
    night: Bench, tmp_path: Path
) -> None:
    night.resolve(as_zip(tmp_path / "faces.zip", class_folders()))
    record(night)
    night.resolve(as_zip(tmp_path / "faces.zip", dict(reversed(class_folders().items()))), run="r2")
    assert night.output("work") == "nothing-new"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"run_id": "r0"}', b'{"fingerprint": 3}'])
def test_a_damaged_record_of_the_last_night_does_not_stop_the_next(
    night: Bench, tmp_path: Path, content: bytes
) -> None:
    night.store.write(keys.pointer("small", "last-night"), content)
    assert night.resolve(as_zip(tmp_path / "faces.zip", class_folders())) == 0
    assert night.output("work") == "new"


@pytest.mark.parametrize("record", ["last-night", "accepted"])
def test_a_record_of_newer_code_is_refused_and_stays(
    night: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str
) -> None:
    source = as_zip(tmp_path / "faces.zip", class_folders())
    key = {
        "last-night": keys.pointer("small", "last-night"),
        "accepted": keys.accepted_snapshot(source_id(str(source))),
    }[record]
    content = b'{"layout_version": 2, "of a later day": true}'
    night.store.write(key, content)
    assert night.resolve(source) == ContractError.exit_code
    assert f"{key} was written by newer code; expected version 1" in capsys.readouterr().err
    assert night.store.read(key) == content


def test_a_failed_night_is_tried_again() -> None:
    tonight = JudgedRun("f", objects=3)
    assert decide(tonight, JudgedRun("f", "r0", "failed"), force=False)[0]


def test_the_plan_names_champion_anchor_and_accepted_snapshot(night: Bench, tmp_path: Path) -> None:
    source = as_zip(tmp_path / "faces.zip", class_folders())
    champion = Pointer("v2", "r9", "2026-01-01")
    night.store.write(keys.pointers("small"), to_json(Pointers(champion=champion)).encode())
    night.store.write(
        keys.accepted_snapshot(source_id(str(source))), b'{"snapshot_id": "abc", "run_id": "r9"}'
    )
    night.resolve(source)
    assert (night.plan().champion, night.plan().anchor, night.plan().accepted_snapshot) == (
        champion,
        None,
        "abc",
    )


def test_a_resumed_run_keeps_its_plan_though_it_promoted_a_champion(
    night: Bench, tmp_path: Path
) -> None:
    source = as_zip(tmp_path / "faces.zip", class_folders())
    night.resolve(source)
    first = night.output("plan")
    record(night, "blessed", "r1")
    night.store.write(
        keys.pointers("small"),
        to_json(Pointers(champion=Pointer("v2", "r1", "2026-01-01"))).encode(),
    )
    night.resolve(source)
    assert night.output("plan") == first
    night.resolve(source, run="r2")
    assert night.output("plan") != first
    assert night.output("work") == "nothing-new"


def test_a_resumed_run_plans_anew_when_the_source_changed(night: Bench, tmp_path: Path) -> None:
    night.resolve(as_zip(tmp_path / "faces.zip", class_folders()))
    first = night.output("plan")
    night.resolve(as_zip(tmp_path / "faces.zip", class_folders(each=5)))
    assert night.output("plan") != first


def test_a_run_that_found_nothing_new_can_be_forced(night: Bench, tmp_path: Path) -> None:
    source = as_zip(tmp_path / "faces.zip", class_folders())
    night.resolve(source, run="r0")
    record(night)
    night.resolve(source)
    assert night.output("work") == "nothing-new"
    night.resolve(source, force="True")
    assert night.output("work") == "new"


def test_a_source_has_a_short_stable_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_id("My Faces (2).zip") == source_id(str(tmp_path / "My Faces (2).zip"))
    assert source_id("My Faces (2).zip").startswith("my-faces-2-")
    assert (
        source_id("gs://bucket/faces/")
        == source_id("gs://bucket/faces")
        != source_id("gs://other/faces")
    )
    assert source_id("/").startswith("source-")


def test_resolve_loads_no_heavy_library() -> None:
    program = (
        "import sys; import components.ingestion.__main__,"
        " components.ingestion.resolve.resolve;heavy = {'apache_beam', 'PIL', 'pyarrow.parquet',"
        " 'google.cloud.storage', 'kfp'} & set(sys.modules);sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


class TestWorkflows:
    """Kubeflow Pipelines gives each workflow an id.

    A cloned or resubmitted run has the name of another workflow's.
    """

    JOB, CLONE = "0b5f8a3e-5d43-4c1f-9a55-1e2d3c4b5a69", "77aa8a3e-5d43-4c1f-9a55-1e2d3c4b5a69"

    def test_a_second_attempt_takes_up_the_plan_of_the_first(
        self, night: Bench, tmp_path: Path
    ) -> None:
        faces = as_folder(tmp_path / "faces", class_folders())
        assert night.resolve(faces, job=self.JOB) == 0
        record(
            night, run="other"
        )  # judged meanwhile: made anew, the plan would say that nothing is new
        assert night.resolve(faces, job=self.JOB) == 0
        assert (night.output("work"), night.output("run")) == ("new", "r1")

    def test_another_workflow_of_that_name_makes_a_plan_and_a_run_of_its_own(
        self, night: Bench, tmp_path: Path
    ) -> None:
        faces = as_folder(tmp_path / "faces", class_folders())
        assert night.resolve(faces, job=self.JOB) == 0
        record(night)
        assert night.resolve(faces, job=self.CLONE) == 0
        assert (night.output("work"), night.output("run")) == ("nothing-new", "r1-77aa8a3e")
        first, second = (
            json.loads(night.store.read(keys.evidence(run, "resolve")) or b"")
            for run in ("r1", "r1-77aa8a3e")
        )
        assert [one["findings"]["plan"]["work"] for one in (first, second)] == [
            "new",
            "nothing-new",
        ]

    def test_a_placeholder_that_nobody_replaced_names_no_run(
        self, night: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        faces = as_folder(tmp_path / "faces", class_folders())
        assert night.resolve(faces, run="", job="{{$.pipeline_job_uuid}}") == 2
        assert "a run can't be called '{{$.pipeline_job_uuid}}'" in capfd.readouterr().err
        assert list(night.store.list("runs")) == []


def test_the_preset_is_stored_before_anything_can_fail(night: Bench, tmp_path: Path) -> None:
    assert night.resolve(tmp_path / "nowhere") == 2
    assert preset_of_run(night.store, "r1") == night.preset
    assert night.resolve(as_folder(tmp_path / "faces", class_folders())) == 0
    assert read_preset(night.output("preset"), night.store) == night.preset


@pytest.mark.parametrize(
    ("device", "compiled_for", "code"),
    [("gpu", "cpu", 2), ("gpu", "gpu", 0), ("cpu", "gpu", 0), ("gpu", "", 0)],
)
def test_a_preset_that_needs_more_than_the_pipeline_version_gives_is_refused(
    tmp_path: Path, device: str, compiled_for: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    night = bench(tmp_path)
    night.preset = replace(night.preset, training=replace(night.preset.training, device=device))
    assert (
        night.resolve(as_folder(tmp_path / "faces", class_folders()), compiled_for=compiled_for)
        == code
    )
    refused = (
        "resolve failed: the preset small needs more than this pipeline version's tasks get;"
        " expected a preset with training.device cpu"
    )
    assert (refused in capfd.readouterr().err) == (code == 2)
