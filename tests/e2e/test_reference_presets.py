"""The five reference presets through the whole pipeline, on drawn images in each preset's own layout; one epoch a stage."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from components.shared.findings import EvaluateFindings, Evidence, TrainFindings
from components.shared.preset import Preset, PretrainedWeights, ServingPolicy, ValidationPolicy
from components.shared.serialization import from_json, from_plain
from components.shared.steps import STEPS
from components.shared.store import keys
from pipelines import presets
from pipelines.code_version import ROOT
from tests.e2e.nights import LENIENT, Desk, emotion

F = TypeVar("F")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# FER2013's own order of labels, by number.
FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LAYOUTS = {
    "emotion5-efficientnetv2b0": (
        "class-folders",
        ("angry", "happy", "neutral", "sad", "surprise"),
    ),
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
    assert [step["name"] for step in summary["steps"]] == [
        step for step in STEPS if step != "register"
    ]
    assert desk.champion(preset) == summary["model_version"]

    findings = _findings(desk, "night-0", "train", TrainFindings)
    assert findings.architecture == presets.preset(name).training.architecture
    assert len(findings.history["val_accuracy"]) == len(preset.training.stages)
    assert (findings.pretrained_sha256 != "") == (preset.training.pretrained is not None)
    assert (desk.store / "runs/night-0/tensorboard/events.out.tfevents.0.train").stat().st_size > 0
    _shows_what_the_references_show(
        Path(summary["report"]).read_text(),
        _findings(desk, "night-0", "evaluate", EvaluateFindings),
    )
    if name == "emotion6-cnn":
        _predicts_and_exports(desk, summary["model_version"], labels, next(source.rglob("*.png")))
    if name == "happy-binary":
        _takes_its_model_again(desk, preset, source, summary["model_version"])


def _shows_what_the_references_show(report: str, found: EvaluateFindings) -> None:
    """Curves of accuracy and loss, the confusion matrix and a grid of sample predictions stand on the run's page."""
    for title in (
        "Learning curve: accuracy",
        "Learning curve: loss",
        "Confusion matrix of the challenger",
    ):
        assert f'aria-label="{title}"' in report
    assert {sample.label for sample in found.samples} == set(found.labels)
    assert all(sample.image in report for sample in found.samples)


def _predicts_and_exports(desk: Desk, version: str, labels: tuple[str, ...], image: Path) -> None:
    answer = emotion(desk, "predict", "--image", str(image))
    assert any(label in answer for label in labels), answer
    for form, file in (("h5", "model.h5"), ("joblib", "emotion_classification.pkl")):
        emotion(
            desk, "export", version, "--format", form, "--output", str(desk.folder / "exported")
        )
        assert (desk.folder / "exported" / file).stat().st_size > 2_000_000, (
            "637,862 weights of four bytes"
        )


def _takes_its_model_again(desk: Desk, preset: Preset, source: Path, version: str) -> None:
    next((source / "training").rglob("*.png")).unlink()
    summary = desk.run("night-1", preset, source)
    assert summary["outcome"] == "blessed", json.dumps(summary, indent=1)[:5000]
    assert _findings(desk, "night-1", "train", TrainFindings).reused_version == version
    assert desk.champion(preset) == version


def _findings(desk: Desk, run_id: str, step: str, kind: type[F]) -> F:
    evidence = from_json(Evidence, (desk.store / keys.evidence(run_id, step)).read_bytes())
    return from_plain(kind, evidence.findings, "findings")


def _small(preset: Preset, folder: Path) -> Preset:
    """The preset with its network, data layout and optimizers.

    Fewer epochs, and rules that drawn images can keep.
    """
    training = replace(
        preset.training,
        stages=tuple(
            replace(stage, epochs=1, warmup_epochs=0.0) for stage in preset.training.stages
        ),
        batch_size=min(preset.training.batch_size, 32),
    )
    if training.pretrained is not None:
        training = replace(
            training, pretrained=PretrainedWeights(str(_backbone(folder / "backbone.weights.h5")))
        )
    return replace(
        preset,
        training=training,
        validation=ValidationPolicy(
            min_train_per_class=10,
            min_test_per_class=3,
            max_reject_rate=0.05,
            max_split_skew=0.3,
            max_feature_skew=0.5,
        ),
        gate=replace(LENIENT, max_model_bytes=200_000_000),
        serving=ServingPolicy(golden_images=8, check_requests=10),
    )


def _backbone(file: Path) -> Path:
    """Untrained weights in Keras's layout, in the place of ImageNet's, which would need a network."""
    make = (
        "import keras; keras.applications.EfficientNetV2B0(include_top=False,"
        f" weights=None).save_weights({str(file)!r})"
    )
    _python("training", "-c", make)
    return file


def _python(environment: str, *command: object) -> None:
    python = ROOT / ".venvs" / environment / "bin" / "python"
    done = subprocess.run(
        [python, *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
