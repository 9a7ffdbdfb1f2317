"""The whole step: as a process, as the pipeline starts it, and night after night on one store."""

import csv
import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.shared.artifacts import contract
from components.shared.errors import ContractError
from components.shared.findings import ValidateFindings
from components.shared.preset import Preset
from components.shared.run_plan import Listing, NightPlan, Pointer
from components.shared.serialization import digest, from_json, to_json
from components.shared.step.executor_output import ExecutorOutput
from components.shared.step.frame import Context
from components.shared.store import keys
from components.shared.store.interface import Store, open_store
from components.validation.__main__ import validate
from components.validation.judge import judge
from components.validation.judge_process import Judged, judge_in_process
from components.validation.rows import tables
from tests.artifacts import example_rows, write_examples
from tests.kfp_output import executor_input, metadata
from tests.models import stripe_weights, write_model
from tests.validation.data import LABELS, PRESET

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"train": 40, "validation": 6, "test": 20}


def write(
    folder: Path,
    seed: int = 1,
    brighter: float = 0.0,
    labels: tuple[str, ...] = LABELS,
    mislabelled: int = 0,
) -> str:
    """Examples whose pictures tell their labels.

    Of ``mislabelled`` training rows the picture says angry and the label sad.
    """
    rows = example_rows(
        {split: dict.fromkeys(labels, size) for split, size in SIZES.items()}, LABELS, seed=seed
    )
    for row in rows:
        row["brightness"] = float(row["brightness"]) + brighter  # type: ignore[arg-type]
    for row in rows[:mislabelled]:
        row["label"] = "sad"
    return write_examples(folder, rows, LABELS).snapshot_id


def write_plan(store: Store, accepted: str | None = None, champion: str | None = None) -> str:
    pointer = Pointer(champion, "r0", "2026-01-01T00:00:00+00:00") if champion else None
    plan = NightPlan(
        "new",
        "for tests",
        "p",
        "c",
        "f",
        Listing("faces", "tests", "class-folders", "d", 1, 1),
        accepted,
        champion=pointer,
    )
    store.write(keys.plan(digest(plan)), to_json(plan).encode())
    return digest(plan)


def arguments(folder: Path, plan: str) -> dict[str, Any]:
    return {
        "plan": plan,
        "examples": folder / "examples",
        "decision_output": folder / "out" / "decision",
        "validation": folder / "validation",
        "data_summary": folder / "out" / "summary",
    }


def command_line(folder: Path, plan: str) -> list[str]:
    given = [
        word
        for name, value in arguments(folder, plan).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    frame = ["--preset", to_json(PRESET), "--store", str(folder / "store"), "--run-id", "r1"]
    return [sys.executable, "-m", "components.validation", "validate", *frame, *given]


def run_process(folder: Path, plan: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(folder, plan), cwd=ROOT, capture_output=True, text=True, timeout=240
    )


@contextmanager
def judge_here(
    examples: Path, preset: Preset, champion: Path | None, output: Path, scratch: Path
) -> Iterator[Callable[[], Judged]]:
    yield lambda: judge(examples, preset, champion, output)


def night(folder: Path, run_id: str, champion: str | None = None, **how: Any) -> ValidateFindings:
    """One night's step in this process.

    New examples, a plan that knows what was accepted before.
    """
    store = open_store(str(folder / "store"))
    write(folder / "examples", **how)
    current = store.read(keys.accepted_snapshot("tests"))
    plan = write_plan(store, json.loads(current)["snapshot_id"] if current else None, champion)
    scratch = folder / f"scratch-{run_id}"
    scratch.mkdir()
    output = ExecutorOutput(executor_input(folder, "validation"))
    findings = validate(
        Context(run_id, PRESET, store, scratch, output),
        Namespace(**arguments(folder, plan)),
        judge_here,
    )
    output.write()
    return findings


def test_a_good_night_goes_and_is_remembered(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    snapshot_id = write(tmp_path / "examples")
    done = run_process(tmp_path, write_plan(store))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "progress 2/2 judges" in done.stdout
    assert (tmp_path / "out" / "decision").read_text() == "go"
    summary = (tmp_path / "out" / "summary").read_text()
    assert summary.startswith("# Data summary: go\n")
    assert "| sad | 40 | 6 | 20 |" in summary
    assert len(summary) < 4000

    found = contract.read_marker(tmp_path / "validation", "validation", ValidateFindings)
    assert found.decision == "go"
    assert found.snapshot_id == snapshot_id
    assert found.compared_with is None
    assert [rule.name for rule in found.rules if not rule.passed] == ["curated schema"]
    assert {rule.library for rule in found.rules} == {
        "great-expectations",
        "tensorflow-data-validation",
        "label-noise",
    }
    assert found.label_noise is not None
    assert found.label_noise.accuracy > 0.95
    assert [each.rows for each in found.slices] == [SIZES["train"]] * len(LABELS)
    assert json.loads(store.read(keys.evidence("r1", "validate")) or b"{}")[
        "findings"
    ] == json.loads(to_json(found))

    names = {path.name for path in (tmp_path / "validation").iterdir()}
    assert names == {
        "statistics.pb",
        "schema.pbtxt",
        "anomalies.pbtxt",
        "data_docs",
        "doubtful_labels.csv",
        "validation.json",
    }
    assert found.data_docs == "data_docs/index.html"
    assert (
        store.read(f"{keys.snapshot('tests', snapshot_id)}/statistics.pb")
        == (tmp_path / "validation" / "statistics.pb").read_bytes()
    )
    assert json.loads(store.read(keys.accepted_snapshot("tests")) or b"{}") == {
        "snapshot_id": snapshot_id,
        "run_id": "r1",
        "layout_version": 1,
    }
    kept = [key.removeprefix("runs/r1/") for key in store.list("runs/r1")]
    assert found.data_docs in kept
    assert found.label_noise.file in kept


def test_nights_in_a_row_on_one_store(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    first = night(tmp_path, "r1")
    same = night(tmp_path, "r2", seed=2)
    assert same.compared_with == first.snapshot_id
    assert [rule.sentence for rule in same.rules if not rule.passed and "drift" in rule.name] == []
    accepted = store.read(keys.accepted_snapshot("tests"))

    drifted = night(tmp_path, "r3", seed=3, brighter=60)
    assert drifted.decision == "stop"
    assert (tmp_path / "out" / "decision").read_text() == "stop"
    assert drifted.compared_with == same.snapshot_id
    assert [
        rule.name for rule in drifted.rules if not rule.passed and rule.severity == "critical"
    ] == ["brightness drift"]
    assert drifted.drift["brightness"] > 0.2
    assert metadata(tmp_path)["validation"] == {
        "decision": "stop",
        "rules": len(drifted.rules),
        "failed rules": sum(not rule.passed for rule in drifted.rules),
        **{f"{split} rows": size * len(LABELS) for split, size in SIZES.items()},
        "snapshot id": drifted.snapshot_id,
        "images read": sum(SIZES.values()) * len(LABELS),
        "images rejected": 0,
    }
    assert store.read(keys.accepted_snapshot("tests")) == accepted, (
        "a stopped night must not become the baseline"
    )
    assert store.read(f"{keys.snapshot('tests', drifted.snapshot_id)}/statistics.pb") is None

    again = night(tmp_path, "r4", seed=2)
    assert again.drift == dict.fromkeys(again.drift, 0.0)
    assert store.read(keys.accepted_snapshot("tests")) == accepted, (
        "accepting the same snapshot twice changes nothing"
    )


def test_a_missing_class_stops_the_night(tmp_path: Path) -> None:
    found = night(tmp_path, "r1", labels=LABELS[:-1])
    assert found.decision == "stop"
    assert open_store(str(tmp_path / "store")).read(keys.accepted_snapshot("tests")) is None
    critical = {
        rule.name: rule.sentence
        for rule in found.rules
        if not rule.passed and rule.severity == "critical"
    }
    assert set(critical) == {
        "training rows per class",
        "test rows per class",
        "smallest class share",
    }
    assert all(
        "surprise" in critical[name] for name in ("training rows per class", "test rows per class")
    )


def test_the_champion_has_its_say_on_doubtful_labels(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    version = write_model(
        tmp_path / "model", stripe_weights(sharpness=0.01)
    ).version  # an unsure one
    store.put_tree(tmp_path / "model", keys.version(PRESET.model_name, version), "model.json")
    alone = night(tmp_path, "r1", mislabelled=3)
    asked = night(tmp_path, "r2", mislabelled=3, champion=version)
    assert alone.label_noise is not None
    assert asked.label_noise is not None
    assert "champion" not in alone.label_noise.method
    assert f"the mean of it and the champion {version}" in asked.label_noise.method
    rows = list(
        csv.DictReader((tmp_path / "validation" / "doubtful_labels.csv").read_text().splitlines())
    )
    assert {(row["old_label"], row["label"]) for row in rows} == {("sad", "angry")}
    assert len(rows) == 3
    first, *_ = asked.label_noise.most_doubtful
    same = next(
        row for row in alone.label_noise.most_doubtful if row.example_id == first.example_id
    )
    assert same.suggested_probability > 0.99
    assert 0.55 < first.suggested_probability < 0.8, "the mean with the champion's third"
    other = write_model(
        tmp_path / "other", stripe_weights(labels=LABELS[::-1]), labels=LABELS[::-1]
    ).version
    store.put_tree(tmp_path / "other", keys.version(PRESET.model_name, other), "model.json")
    unasked = night(tmp_path, "r3", mislabelled=3, champion=other)
    assert unasked.label_noise == alone.label_noise, (
        "a champion with labels in another order isn't asked"
    )


def test_lost_statistics_warn_and_do_not_stop(tmp_path: Path) -> None:
    first = night(tmp_path, "r1")
    (tmp_path / "store" / keys.snapshot("tests", first.snapshot_id) / "statistics.pb").unlink()
    found = night(tmp_path, "r2", seed=2)
    assert (found.decision, found.compared_with, found.drift) == ("go", None, {})
    (rule,) = [rule for rule in found.rules if rule.name == "drift"]
    assert (rule.passed, rule.severity) == (False, "warning")
    assert "are not in the store" in rule.sentence


def test_row_rules_read_what_they_look_at_and_no_image(tmp_path: Path) -> None:
    write(tmp_path / "examples")
    snapshot = contract.read_marker(tmp_path / "examples", "examples", contract.Snapshot)
    frame = tables.read(tmp_path / "examples", snapshot, tables.COLUMNS)
    assert set(frame) == set(tables.COLUMNS)
    assert "image: binary" in tables.describe_columns(tmp_path / "examples", snapshot)


@pytest.mark.parametrize(
    ("soft", "fault"),
    [
        ([], 0.0),
        ([1 / 7] * 7, 0.0),
        ([0.5, 0.5], 1.0),
        ([0.2] * 7, 1.0),
        ([1.5, -0.5, 0, 0, 0, 0, 0], 1.0),
    ],
)
def test_soft_labels_are_checked_against_the_labels(
    tmp_path: Path, soft: list[float], fault: float
) -> None:
    rows = example_rows({"train": dict.fromkeys(LABELS, 2)}, LABELS)
    rows[3]["label_distribution"] = soft
    snapshot = write_examples(tmp_path, rows, LABELS)
    faults = tables.read_soft_label_faults(tmp_path, snapshot)
    assert len(faults) == len(rows)
    assert faults.sum() == fault


def test_an_artifact_without_its_marker_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    write(tmp_path / "examples")
    (tmp_path / "examples" / "snapshot.json").unlink()
    done = run_process(tmp_path, write_plan(store))
    assert done.returncode == 3
    assert "the examples artifact at" in done.stderr
    assert "is incomplete" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert json.loads(store.read(keys.evidence("r1", "validate")) or b"{}")["status"] == "failed"


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    write(tmp_path / "examples")
    (tmp_path / "examples" / "images-00000-of-00002.parquet").write_bytes(b"PAR1 torn")
    context = Context("r1", PRESET, store, tmp_path, ExecutorOutput(""))
    with pytest.raises(ContractError, match=r"images-00000-of-00002.parquet can't be read"):
        validate(context, Namespace(**arguments(tmp_path, write_plan(store))), judge_here)
    assert not (tmp_path / "out").exists()


def test_an_unknown_plan_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "examples")
    store = open_store(str(tmp_path / "store"))
    context = Context("r1", PRESET, store, tmp_path, ExecutorOutput(""))
    with pytest.raises(
        ContractError,
        match=(
            r"the store has no night plan .*abc.json; to fix it: pass the digest that resolve wrote"
        ),
    ):
        validate(context, Namespace(**arguments(tmp_path, "abc")))


@pytest.mark.slow
def test_a_failing_row_judge_fails_the_step(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scratch").mkdir()
    waiting = judge_in_process(
        tmp_path / "nowhere", PRESET, None, tmp_path / "out", tmp_path / "scratch"
    )
    with waiting as rules, pytest.raises(RuntimeError, match="judging rows ended with code 1"):
        rules()
    assert "the examples artifact at" in capfd.readouterr().err


@pytest.mark.slow
def test_a_step_asked_to_stop_leaves_no_process_and_runs_again(tmp_path: Path) -> None:
    plan = write_plan(open_store(str(tmp_path / "store")))
    write(tmp_path / "examples")
    with subprocess.Popen(
        command_line(tmp_path, plan),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as step:
        assert step.stdout is not None
        assert "progress 0/2" in step.stdout.readline()  # both libraries are loading
        (child,) = [
            int(word)
            for word in Path(f"/proc/{step.pid}/task/{step.pid}/children").read_text().split()
        ]
        step.terminate()
        assert step.wait(timeout=60) == 143
        assert not Path(f"/proc/{child}").exists()
    assert not (tmp_path / "out").exists()
    assert run_process(tmp_path, plan).returncode == 0


def test_the_command_line_is_the_one_that_the_pipeline_uses() -> None:
    signature = (ROOT / "components/validation/component.py").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "components.validation", "validate", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    outputs = ("--decision-output", "--validation", "--data-summary")
    for word in (
        "--preset",
        "--store",
        "--run-id",
        "--plan",
        "--examples",
        *outputs,
        "--executor-input",
    ):
        assert word in signature
        assert word in done.stdout


def test_findings_read_back_from_their_marker(tmp_path: Path) -> None:
    found = night(tmp_path, "r1")
    assert from_json(ValidateFindings, to_json(found)) == found
