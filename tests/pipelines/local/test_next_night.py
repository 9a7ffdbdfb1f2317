"""What a person decides about the champion is what the next night compares with.

resolve, evaluate and gate as processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from components.deployment.registry.approval import ask
from components.deployment.registry.registry import Registry
from components.shared.artifacts import contract
from components.shared.artifacts.contract import read_marker
from components.shared.findings import ServingFindings, ServingMeasurement, Verdict
from components.shared.serialization import to_json
from components.shared.store.interface import open_store
from pipelines.code_version import ROOT
from pipelines.local.environments import environment_python
from tests.artifacts_png import encode_gray
from tests.deployment.builders import PRESET, signed, verdict_on

MODELS = ("first", "second", "third")
PREPARE = """
import sys
from pathlib import Path
from tests.artifacts import example_rows, write_examples
from tests.models import LABELS, stripe_weights, write_model

root, names = Path(sys.argv[1]), sys.argv[2:]
for seed, name in enumerate(names):
    print(write_model(root / name, stripe_weights(sharpness=0.05, noise=1.0, seed=seed)).version)
splits = {"train": dict.fromkeys(LABELS, 4), "validation": dict.fromkeys(LABELS, 10), "test": dict.fromkeys(LABELS, 20)}
write_examples(root / "examples", example_rows(splits, LABELS), LABELS)
"""


def run(component: str, *arguments: str | Path, cwd: Path = ROOT) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    python = (
        Path(sys.executable) if component == "cli" else environment_python(f"emotion-{component}")
    )
    done = subprocess.run(
        [python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def next_night(folder: Path, run_id: str, model: str, version: str) -> Verdict:
    """One night's resolve, evaluate and gate; the serving check is given."""
    common = [
        "--preset",
        f"@{folder / 'preset.json'}",
        "--store",
        str(folder / "store"),
        "--run-id",
        run_id,
    ]
    plan = folder / f"{run_id}.plan"
    run(
        "ingestion",
        "-m",
        "components.ingestion",
        "resolve",
        *common,
        "--source",
        str(folder / "faces"),
        "--plan-output",
        str(plan),
    )
    common += ["--plan", plan.read_text(), "--evaluation", str(folder / "evaluation")]
    outputs = ["--examples", folder / "examples", "--model", folder / model]
    run("evaluation", "-m", "components.evaluation", "evaluate", *common, *outputs)
    measured = ServingMeasurement(version, 1.0, 1.0, 2.0, 100.0, 10**8, 10**5)
    contract.finish(
        contract.start(folder / "check"),
        "serving_check",
        ServingFindings(7, 0, 0.0, measured, measured, "given", 1.0, (0.9, 1.1)),
    )
    judged = [
        "--serving-check",
        folder / "check",
        "--word-output",
        folder / "word",
        "--verdict",
        folder / "verdict",
    ]
    judged += ["--verdict-summary", folder / "summary"]
    run("evaluation", "-m", "components.evaluation", "gate", *common, *judged)
    return read_marker(folder / "verdict", "verdict", Verdict)


def test_the_next_night_compares_with_the_approved_and_with_the_rolled_back_champion(
    tmp_path: Path,
) -> None:
    (tmp_path / "preset.json").write_text(to_json(PRESET))
    for place in ("train/happy/1.png", "train/sad/2.png", "test/happy/3.png"):
        (tmp_path / "faces" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / place).write_bytes(encode_gray(16, 16, [bytes(range(16))] * 16))
    first, second, third = run("evaluation", "-c", PREPARE, tmp_path, *MODELS).split()
    registry = Registry(open_store(str(tmp_path / "store")), "small")
    registry.promote(tmp_path / "first", "night-1", verdict_on(first), signed("gate"))
    registry.put(tmp_path / "second", second)
    ask(registry, "night-2", verdict_on(second, first, first, word="needs-approval"), signed().at)

    models = ["-m", "pipelines.cli.app", "models"]
    run(
        "cli",
        *models,
        "approve",
        "night-2",
        "--by",
        "ada",
        "--why",
        "looked at it",
        "--store",
        tmp_path / "store",
        cwd=tmp_path,
    )
    verdict = next_night(tmp_path, "night-3", "third", third)
    assert (verdict.challenger, verdict.champion, verdict.anchor) == (third, second, first)

    run(
        "cli",
        *models,
        "rollback",
        "--by",
        "ada",
        "--why",
        "errors in the shop",
        "--store",
        tmp_path / "store",
        cwd=tmp_path,
    )
    verdict = next_night(tmp_path, "night-4", "third", third)
    assert (verdict.challenger, verdict.champion, verdict.anchor) == (third, first, first)
