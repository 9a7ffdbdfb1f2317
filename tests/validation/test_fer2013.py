"""FER2013 through ingest, validate and the report.

What is known of it by other means is found, counted and shown.

Skips where the archive isn't on this machine. About a minute on two cores.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from components.shared.artifacts import contract
from components.shared.findings import ValidateFindings
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from pipelines.presets.fer2013_cnn import FER2013_CNN

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = Path(
    os.environ.get("EMOTION_FER2013", ROOT.parent / "shared" / "data" / "fer2013" / "fer2013.zip")
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not ARCHIVE.is_file(), reason="FER2013 isn't on this machine; EMOTION_FER2013 names it"
    ),
]


def step(component: str, name: str, folder: Path, **arguments: object) -> None:
    python = ROOT / ".venvs" / component / "bin" / "python"
    given = {
        "preset": f"@{folder / 'preset.json'}",
        "store": folder / "store",
        "run_id": "r1",
        **arguments,
    }
    words = [
        word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", str(value))
    ]
    done = subprocess.run(
        [python, "-m", f"components.{component}", name, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr


def test_fer2013_goes_and_the_report_tells_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "preset.json").write_text(to_json(FER2013_CNN))
    plan, examples, validation = tmp_path / "plan", tmp_path / "examples", tmp_path / "validation"
    step("ingestion", "resolve", tmp_path, source=ARCHIVE, plan_output=plan)
    step("ingestion", "ingest", tmp_path, plan=plan.read_text(), examples=examples)
    step(
        "validation",
        "validate",
        tmp_path,
        plan=plan.read_text(),
        examples=examples,
        validation=validation,
        decision_output=tmp_path / "go",
    )
    step("reporting", "report", tmp_path, page=tmp_path / "report.html")
    assert (tmp_path / "go").read_text() == "go"
    found = contract.read_marker(validation, "validation", ValidateFindings)
    rules = {rule.name: rule for rule in found.rules}
    assert {name for name, rule in rules.items() if not rule.passed} == {
        "one label per content",
        "near-constant images",
        "doubtful labels",
    }
    assert rules["rows as marked"].value == "32,298 rows"
    assert rules["near-constant images"].value == "14 rows"
    assert rules["reject rate"].value == "0.0%"
    assert rules["split leakage"].value == "0 groups", (
        "training rows that stand in test left training"
    )
    assert rules["curated schema"].passed
    assert found.label_noise is not None
    assert found.label_noise.rows == found.label_noise.of_rows
    assert 0.35 < found.label_noise.accuracy < 0.6
    assert sum(each.rows for each in found.slices) == sum(
        json.loads((examples / "snapshot.json").read_text())["counts"]["train"].values()
    )

    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (tmp_path / "report.html").read_text()))
    for fact in (
        "Read 32,298 Accepted 32,298 Rejected 0",
        "Distinct contents 30,766",
        "within training alone 1,035, 1,236 rows beyond the first",
        "Test rows with a twin in published training 280",
        "Near-constant images 14",
        "Contents with more than one label 47",
    ):
        assert fact in page
    kept = set(open_store(str(tmp_path / "store")).list(keys.run("r1")))
    assert {f"runs/r1/{name}" for name in ("data_docs/index.html", "doubtful_labels.csv")} <= kept
    assert 'href="data_docs/index.html"' in (tmp_path / "report.html").read_text()
