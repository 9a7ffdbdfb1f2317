"""The step as the pipeline starts it: a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.shared.artifacts import contract
from components.shared.artifacts.contract import SAMPLING_COLUMNS, Sampling
from components.shared.findings import Evidence, ResampleFindings
from components.shared.preset import Preset, ResamplingPolicy
from components.shared.serialization import from_json, from_plain, to_json
from tests.artifacts import example_rows, small_preset, write_examples

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"angry": 9, "disgust": 2, "happy": 5}


def preset_with(strategy: str, max_repeats: int = 3) -> Preset:
    return small_preset(resampling=ResamplingPolicy(strategy, max_repeats))  # type: ignore[arg-type]


def rows() -> list[dict[str, object]]:
    return example_rows(
        {"train": SIZES, "validation": {"sad": 4, "angry": 2}, "test": {"happy": 6}},
        preset_with("none").data.labels,
    )


def run_step(folder: Path, preset: Preset, examples: Path) -> subprocess.CompletedProcess[str]:
    arguments = [
        "--preset",
        to_json(preset),
        "--store",
        str(folder / "store"),
        "--run-id",
        "r1",
        "--examples",
        str(examples),
    ]
    command = [
        sys.executable,
        "-m",
        "components.resampling",
        "resample",
        *arguments,
        "--sampling-plan",
        str(folder / "plan"),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def findings_of(folder: Path) -> ResampleFindings:
    evidence = from_json(Evidence, (folder / "store/runs/r1/evidence/resample.json").read_bytes())
    return from_plain(ResampleFindings, evidence.findings, "findings")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact") / "examples"
    write_examples(folder, rows(), preset_with("none").data.labels)
    return folder


def test_an_oversampled_plan_holds_the_training_rows_alone(tmp_path: Path, examples: Path) -> None:
    done = run_step(tmp_path, preset_with("oversample"), examples)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""

    table = pq.read_table(tmp_path / "plan" / "plan.parquet")
    assert table.schema == pa.schema(
        [
            (name, getattr(pa, kind.replace("float", "float32"))())
            for name, kind in SAMPLING_COLUMNS.items()
        ]
    )
    training = sorted(str(row["example_id"]) for row in rows() if row["split"] == "train")
    assert table["example_id"].to_pylist() == training
    repeats = table["repeats"].to_numpy()
    assert repeats.min() >= 1
    assert repeats.max() <= 3

    marker = contract.read_marker(tmp_path / "plan", "sampling_plan", Sampling)
    assert (marker.strategy, marker.rows, marker.draws) == ("oversample", 16, 9 + 6 + 9)
    found = findings_of(tmp_path)
    assert list(marker.class_weights) == list(preset_with("none").data.labels)
    assert found.before == {
        "angry": 9,
        "disgust": 2,
        "fear": 0,
        "happy": 5,
        "neutral": 0,
        "sad": 0,
        "surprise": 0,
    }
    assert found.after == {
        "angry": 9,
        "disgust": 6,
        "fear": 0,
        "happy": 9,
        "neutral": 0,
        "sad": 0,
        "surprise": 0,
    }


def test_class_weights_stand_in_every_row_and_in_the_marker(tmp_path: Path, examples: Path) -> None:
    done = run_step(tmp_path, preset_with("class-weights"), examples)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "plan" / "plan.parquet")
    marker = contract.read_marker(tmp_path / "plan", "sampling_plan", Sampling)
    assert table["weight"].to_numpy().mean() == pytest.approx(1.0)
    for row in table.to_pylist():
        assert row["weight"] == pytest.approx(marker.class_weights[row["label"]])
    assert marker.class_weights["sad"] == 1.0


def test_the_plan_doesnt_depend_on_the_order_of_the_files(tmp_path: Path, examples: Path) -> None:
    write_examples(tmp_path / "turned", rows()[::-1], preset_with("none").data.labels)
    assert run_step(tmp_path / "a", preset_with("undersample"), examples).returncode == 0
    assert run_step(tmp_path / "b", preset_with("undersample"), tmp_path / "turned").returncode == 0
    plans = [pq.read_table(tmp_path / name / "plan" / "plan.parquet") for name in ("a", "b")]
    assert plans[0].equals(plans[1])


def test_a_second_attempt_gives_the_same_bytes(tmp_path: Path, examples: Path) -> None:
    run_step(tmp_path, preset_with("none"), examples)
    first = {path.name: path.read_bytes() for path in (tmp_path / "plan").iterdir()}
    run_step(tmp_path, preset_with("none"), examples)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "plan").iterdir()}


def test_an_artifact_without_its_marker_is_refused(tmp_path: Path) -> None:
    write_examples(tmp_path / "examples", rows(), preset_with("none").data.labels)
    (tmp_path / "examples" / "snapshot.json").unlink()
    done = run_step(tmp_path, preset_with("none"), tmp_path / "examples")
    assert done.returncode == 3
    assert "the examples artifact at" in done.stderr
    assert "is incomplete" in done.stderr
    assert not (tmp_path / "plan").exists()
    assert (
        json.loads((tmp_path / "store/runs/r1/evidence/resample.json").read_text())["status"]
        == "failed"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"split": "test"}, "no training rows"),
        ({"example_id": "one"}, "an example id stands twice"),
        ({"label": "contempt"}, "labels that the preset doesn't know"),
    ],
)
def test_rows_that_cant_be_sampled_end_in_one_clear_line(
    tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    write_examples(
        tmp_path / "examples",
        [{**row, **changed} for row in rows()],
        preset_with("none").data.labels,
    )
    done = run_step(tmp_path, preset_with("none"), tmp_path / "examples")
    assert done.returncode == 3
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_torn_file_ends_in_one_clear_line(tmp_path: Path) -> None:
    write_examples(tmp_path / "examples", rows(), preset_with("none").data.labels)
    (tmp_path / "examples" / "images-00001-of-00002.parquet").write_bytes(b"torn")
    done = run_step(tmp_path, preset_with("none"), tmp_path / "examples")
    assert done.returncode == 3
    assert "can't be read" in done.stderr
