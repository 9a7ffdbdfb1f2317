"""evaluate and gate as processes, on small artifacts and a champion in a store."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.evaluation.gate.replay import replay
from components.evaluation.scoring.rows import image_batches, images_of, read_rows
from components.shared.artifacts import contract
from components.shared.artifacts.contract import (
    PREDICTION_COLUMNS,
    ModelManifest,
    Snapshot,
    read_marker,
)
from components.shared.errors import ContractError
from components.shared.findings import (
    EvaluateFindings,
    ServingFindings,
    ServingMeasurement,
    Verdict,
)
from components.shared.preset import ImageSpec
from components.shared.serialization import digest, to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.artifacts import example_rows, small_preset, write_examples
from tests.kfp_output import executor_input, metadata
from tests.models import LABELS, night, stripe_weights, write_model

GOOD, POOR = (
    stripe_weights(sharpness=0.05, noise=1.0),
    stripe_weights(sharpness=0.02, noise=6.0, seed=3),
)


@dataclass(frozen=True)
class Desk:
    """A store, an examples artifact and a challenger below one folder."""

    root: Path

    def plan(self, champion: str | None, anchor: str | None) -> str:
        plan = night(champion, anchor)
        open_store(str(self.root / "store")).write(keys.plan(digest(plan)), to_json(plan).encode())
        return digest(plan)

    def register(self, weights: np.ndarray, **changes: object) -> str:
        manifest = write_model(self.root / "registered", weights, **changes)  # type: ignore[arg-type]
        open_store(str(self.root / "store")).put_tree(
            self.root / "registered", keys.version("small", manifest.version), "model.json"
        )
        return manifest.version

    def run(
        self, step: str, plan: str, *arguments: str, executor_input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        (self.root / "preset.json").write_text(to_json(small_preset()))
        common = [
            "--preset",
            f"@{self.root / 'preset.json'}",
            "--store",
            str(self.root / "store"),
            "--run-id",
            "night-1",
            "--plan",
            plan,
        ]
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "components.evaluation",
            step,
            *common,
            *arguments,
            "--executor-input",
            executor_input,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def evaluate(self, plan: str, executor_input: str = "") -> subprocess.CompletedProcess[str]:
        places = [
            "--examples",
            "examples",
            "--model",
            "model",
            "--evaluation",
            "evaluation",
            "--metrics",
            "m.json",
            "--confusion-matrix",
            "c.json",
        ]
        arguments = [
            place if place.startswith("--") else str(self.root / place) for place in places
        ]
        return self.run("evaluate", plan, *arguments, executor_input=executor_input)

    def evidence(self, step: str) -> dict[str, object]:
        evidence: dict[str, object] = json.loads(
            (self.root / "store" / keys.evidence("night-1", step)).read_text()
        )
        return evidence


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    splits = {
        "train": dict.fromkeys(LABELS, 4),
        "validation": dict.fromkeys(LABELS, 10),
        "test": dict.fromkeys(LABELS, 20),
    }
    rows = example_rows(splits, LABELS)
    tests = [row for row in rows if row["split"] == "test"]
    for twin, row in zip(
        tests[::10], [row for row in rows if row["split"] == "train"], strict=False
    ):
        row["content_id"], row["split"] = (
            twin["content_id"],
            "left-out",
        )  # published in training, taken out because of its twin
    write_examples(tmp_path / "examples", rows, LABELS)
    write_model(tmp_path / "model", GOOD)
    return Desk(tmp_path)


def test_evaluate_and_gate_with_a_champion(desk: Desk) -> None:
    champion = desk.register(POOR)
    plan = desk.plan(champion, champion)
    done = desk.evaluate(
        plan, executor_input(desk.root, "evaluation", "metrics", "confusion_matrix")
    )
    assert done.returncode == 0, done.stderr
    assert "progress 140/140 images · test · 2 models" in done.stdout  # champion and anchor are one

    found = read_marker(desk.root / "evaluation", "evaluation", EvaluateFindings)
    ours = read_marker(desk.root / "model", "model", ModelManifest)
    assert (found.challenger.version, found.challenger.rows) == (ours.version, 140)
    assert found.champion is not None
    assert found.champion == found.anchor
    assert found.champion.version == champion
    assert found.challenger.accuracy > found.champion.accuracy + 0.2
    assert found.challenger.rows_without_twins == 140 - 14
    assert found.comparison is not None
    assert found.comparison.both_right + found.comparison.only_challenger_right == round(
        found.challenger.accuracy * 140
    )
    assert len(found.samples) == 21
    assert desk.evidence("evaluate")["findings"] == json.loads(to_json(found))

    tables = {
        who: pq.read_table(desk.root / "evaluation" / f"predictions-{who}.parquet")
        for who in ("challenger", "champion", "anchor")
    }
    for table in tables.values():
        assert table.column_names == list(PREDICTION_COLUMNS)
        assert table["example_id"].equals(tables["challenger"]["example_id"])
    tested = tables["challenger"].filter(pc.equal(tables["challenger"]["split"], "test"))
    probabilities = np.array(tested["probabilities"].to_pylist())
    truth = np.array([LABELS.index(label) for label in tested["label"].to_pylist()])
    assert (probabilities.argmax(axis=1) == truth).mean() == pytest.approx(
        found.challenger.accuracy
    )

    told = metadata(desk.root)
    names = {
        "accuracy",
        "balanced accuracy",
        "macro F1",
        "majority share",
        "log loss",
        "Brier score",
        "expected calibration error",
        "accuracy without copies of training rows",
    }
    assert told["metrics"].keys() == {"rows", *names, *(f"champion {name}" for name in names)}
    assert told["metrics"]["champion accuracy"] == pytest.approx(found.champion.accuracy, rel=1e-5)
    assert told["confusion_matrix"]["confusionMatrix"]["rows"][0]["row"] == list(
        found.challenger.confusion[0]
    )
    accuracy = pytest.approx(found.challenger.accuracy, rel=1e-5)
    versions = {"challenger": ours.version, "champion": champion, "anchor": champion}
    assert told["evaluation"] == {
        **versions,
        "rows": 140,
        "accuracy": accuracy,
        "scored on": "test",
    }
    assert told["metrics"] == pytest.approx(
        json.loads((desk.root / "m.json").read_text()), rel=1e-5
    )
    assert json.loads((desk.root / "c.json").read_text())["labels"] == list(LABELS)

    measured = ServingMeasurement(ours.version, 1.0, 1.0, 1.0, 1.0, 1, 1000)
    contract.finish(
        contract.start(desk.root / "serving"),
        "serving_check",
        ServingFindings(7, 0, 0.0, measured, None, "kserve"),
    )
    places = [
        "--evaluation",
        "evaluation",
        "--serving-check",
        "serving",
        "--word-output",
        "out/word",
        "--verdict",
        "verdict",
    ]
    places += ["--verdict-summary", "out/summary"]
    given = executor_input(desk.root, "verdict")
    command = [place if place.startswith("--") else str(desk.root / place) for place in places]
    judged = desk.run("gate", plan, *command, executor_input=given)
    assert judged.returncode == 0, judged.stderr
    assert (desk.root / "out" / "word").read_text() == "blessed"
    assert (desk.root / "out" / "summary").read_text().startswith("# Verdict: blessed\n")
    verdict = read_marker(desk.root / "verdict", "verdict", Verdict)
    assert (verdict.word, verdict.champion, verdict.challenger) == (
        "blessed",
        champion,
        ours.version,
    )
    counts = {"checks": len(verdict.checks), "failed checks": 0, "looks at the test rows": 1}
    assert metadata(desk.root)["verdict"] == {"verdict": "blessed", **versions, **counts}
    assert (verdict.better, verdict.better_than_anchor) == (True, True)
    assert verdict.looks is not None
    assert (verdict.looks.number, verdict.looks.test_set) == (1, found.test_set)

    again = desk.run("gate", plan, *command)
    assert again.returncode == 0, again.stderr
    assert (
        read_marker(desk.root / "verdict", "verdict", Verdict) == verdict
    )  # a repeated gate is no second look
    store = open_store(str(desk.root / "store"))
    assert len(json.loads(store.read(keys.looks("small")) or b"")["looks"]) == 1
    (same,) = replay(store, {}, desk.root / "cache")
    assert (same.was, same.now, same.changed) == ("blessed", "blessed", False)
    (stricter,) = replay(store, {"min_accuracy": 0.99}, desk.root / "cache")
    assert (stricter.now, stricter.changed) == ("rejected", True)
    assert "the floor is 99.0%" in stricter.reasons[0]


def test_a_challenger_that_the_pre_screen_stops_never_meets_the_test_rows(desk: Desk) -> None:
    champion = desk.register(GOOD)
    write_model(desk.root / "model", POOR)
    plan = desk.plan(champion, champion)
    done = desk.evaluate(plan)
    assert done.returncode == 0, done.stderr
    assert "140/140 images · test" not in done.stdout
    found = read_marker(desk.root / "evaluation", "evaluation", EvaluateFindings)
    assert (found.scored_on, found.challenger.rows) == ("validation", 70)
    assert set(pq.read_table(desk.root / "evaluation" / "rows.parquet")["split"].to_pylist()) == {
        "validation"
    }

    measured = ServingMeasurement(found.challenger.version, 1.0, 1.0, 1.0, 1.0, 1, 1000)
    contract.finish(
        contract.start(desk.root / "serving"),
        "serving_check",
        ServingFindings(7, 0, 0.0, measured, None, "kserve"),
    )
    places = [
        "--evaluation",
        "evaluation",
        "--serving-check",
        "serving",
        "--word-output",
        "out/word",
        "--verdict",
        "verdict",
    ]
    places += ["--verdict-summary", "out/summary"]
    judged = desk.run(
        "gate",
        plan,
        *[place if place.startswith("--") else str(desk.root / place) for place in places],
    )
    assert judged.returncode == 0, judged.stderr
    verdict = read_marker(desk.root / "verdict", "verdict", Verdict)
    assert (verdict.word, verdict.deciding, verdict.looks) == ("rejected", ("pre-screen",), None)
    store = open_store(str(desk.root / "store"))
    assert store.read(keys.looks("small")) is None
    (wider,) = replay(store, {"margin": 1.0}, desk.root / "cache")
    assert wider.now == ""
    assert "test rows weren't scored" in wider.reasons[0]


def test_evaluate_without_a_champion(desk: Desk) -> None:
    done = desk.evaluate(desk.plan(None, None), executor_input(desk.root, "evaluation"))
    assert done.returncode == 0, done.stderr
    found = read_marker(desk.root / "evaluation", "evaluation", EvaluateFindings)
    assert (found.champion, found.anchor, found.comparison) == (None, None, None)
    assert metadata(desk.root)["evaluation"].keys() == {
        "challenger",
        "rows",
        "accuracy",
        "scored on",
    }
    assert all(sample.champion_predicted is None for sample in found.samples)
    assert [path.name for path in (desk.root / "evaluation").glob("predictions-*")] == [
        "predictions-challenger.parquet"
    ]


def test_a_tampered_challenger_ends_in_one_line_and_code_3(desk: Desk) -> None:
    with open(desk.root / "model" / "model.tflite", "ab") as stream:
        stream.write(b"\0")
    done = desk.evaluate(desk.plan(None, None))
    assert done.returncode == 3
    assert "is not what its manifest says" in done.stderr
    assert "Traceback" not in done.stderr
    assert desk.evidence("evaluate")["status"] == "failed"
    assert not (desk.root / "evaluation" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": tuple(reversed(LABELS))}, "has other labels than the challenger"),
        ({"spec": ImageSpec(24, 24, 1)}, "has other input than the challenger"),
    ],
)
def test_a_champion_that_cant_be_compared(
    desk: Desk, changes: dict[str, object], message: str
) -> None:
    spec = changes.get("spec", ImageSpec(16, 16, 1))
    champion = desk.register(stripe_weights(spec), **changes)  # type: ignore[arg-type]
    done = desk.evaluate(desk.plan(champion, None))
    assert done.returncode == 3
    assert message in done.stderr


def test_a_champion_that_the_store_lacks(desk: Desk) -> None:
    done = desk.evaluate(desk.plan("feedfeedfeed", None))
    assert done.returncode == 3
    assert "versions/feedfeedfeed is missing or incomplete" in done.stderr


def test_a_model_that_answers_nan_is_no_model(desk: Desk) -> None:
    weights = GOOD.copy()
    weights[0, 0] = np.nan
    write_model(desk.root / "model", weights, golden=0)
    done = desk.evaluate(desk.plan(None, None))
    assert done.returncode == 3
    assert "doesn't answer with probabilities" in done.stderr


def test_images_come_in_the_order_of_their_rows(desk: Desk) -> None:
    snapshot = read_marker(desk.root / "examples", "examples", Snapshot)
    tested = read_rows(desk.root / "examples", snapshot)
    for split, asked in tested.items():
        images = [
            image
            for batch in image_batches(desk.root / "examples", snapshot, split, 9)
            for image in batch
        ]
        by_id = images_of(desk.root / "examples", snapshot, asked.example_ids)
        assert images == [by_id[name] for name in asked.example_ids]


def test_examples_without_test_rows(tmp_path: Path) -> None:
    snapshot = write_examples(
        tmp_path / "examples", example_rows({"train": dict.fromkeys(LABELS, 1)}, LABELS), LABELS
    )
    with pytest.raises(ContractError, match="no test row"):
        read_rows(tmp_path / "examples", snapshot)
