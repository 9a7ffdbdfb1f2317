"""The five reference presets through the whole pipeline, on drawn images in each preset's own layout; one epoch a stage."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from components.contracts import layout
from components.contracts.codec import from_json, from_plain
from components.contracts.findings import Evidence, TrainFindings
from components.contracts.layout import STEPS
from components.contracts.preset import GatePolicy, Preset, PretrainedWeights, ServingPolicy, ValidationPolicy
from pipelines import presets
from pipelines.code import ROOT
from tests.e2e.nights import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# FER2013's own order of labels, by number.
FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LAYOUTS = {
    "emotion5-efficientnetv2b0": ("class-folders", ("angry", "happy", "neutral", "sad", "surprise")),
    "fer2013-cnn": ("csv", FER2013),
    "emotion6-cnn": ("class-folders", ("angry", "disgust", "fear", "happy", "sad", "surprise")),
    "happy-binary": ("three-folders", ("happy", "not happy")),
    "fer2013-deep-cnn": ("split-folders", FER2013),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_reference_preset_runs_end_to_end(name: str, tmp_path: Path) -> None:
    kind, labels = LAYOUTS[name]
    source = tmp_path / ("fer2013.csv" if kind == "csv" else "faces")
    _python("ingestion", "-m", "tests.e2e.draw_layouts", kind, source, *labels)
    preset = _small(presets.preset(name), tmp_path)
    desk = Desk(tmp_path)
    summary = desk.run("night-0", preset, source)
    assert summary["outcome"] == "blessed", json.dumps(summary, indent=1)[:5000]
    assert [step["name"] for step in summary["steps"]] == [step for step in STEPS if step != "register"]
    assert desk.champion(preset) == summary["model_version"]

    evidence = from_json(Evidence, (desk.store / layout.evidence("night-0", "train")).read_bytes())
    findings = from_plain(TrainFindings, evidence.findings, "findings")
    assert findings.architecture == presets.preset(name).training.architecture
    assert len(findings.history["val_accuracy"]) == len(preset.training.stages)
    assert (findings.pretrained_sha256 != "") == (preset.training.pretrained is not None)
    assert (desk.store / "runs/night-0/tensorboard/events.out.tfevents.0.train").stat().st_size > 0
    _shows_what_the_references_show(Path(summary["report"]).read_text())


def _shows_what_the_references_show(report: str) -> None:
    """Curves, confusion matrix and sample predictions stand on the run's page."""
    lowered = report.lower()
    assert "confusion" in lowered
    assert "<svg" in lowered
    assert "epoch" in lowered
    assert "data:image/" in lowered, "a grid of sample predictions"


def _small(preset: Preset, folder: Path) -> Preset:
    """The preset with its network, data layout and optimizers; fewer epochs, and rules that drawn images can keep."""
    training = replace(
        preset.training,
        stages=tuple(replace(stage, epochs=1, warmup_epochs=0.0) for stage in preset.training.stages),
        batch_size=min(preset.training.batch_size, 32),
    )
    if training.pretrained is not None:
        training = replace(training, pretrained=PretrainedWeights(str(_backbone(folder / "backbone.weights.h5"))))
    return replace(
        preset,
        training=training,
        validation=ValidationPolicy(
            min_train_per_class=10, min_test_per_class=3, max_reject_rate=0.05, max_split_skew=0.3, max_feature_skew=0.5
        ),
        gate=GatePolicy(
            min_accuracy=0.0,
            min_macro_f1=0.0,
            min_gain_over_majority=-1.0,
            margin=1.0,
            min_rows=100_000,
            max_model_bytes=200_000_000,
            max_p95_ratio=1000.0,
            first_model="promote",
        ),
        serving=ServingPolicy(golden_images=8, check_requests=10),
    )


def _backbone(file: Path) -> Path:
    """Untrained weights in Keras's layout, in the place of ImageNet's, which would need a network."""
    make = f"import keras; keras.applications.EfficientNetV2B0(include_top=False, weights=None).save_weights({str(file)!r})"
    _python("training", "-c", make)
    return file


def _python(environment: str, *command: object) -> None:
    python = ROOT / ".venvs" / environment / "bin" / "python"
    done = subprocess.run([python, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
