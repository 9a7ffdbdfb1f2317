"""The scalar metrics of a training, for Kubeflow Pipelines and for people. Needs no Keras."""

from __future__ import annotations

from pathlib import Path

from components.shared.artifacts.contract import ModelManifest, write_atomically
from components.shared.findings import TrainFindings
from components.shared.serialization import to_pretty_json
from components.shared.step.frame import Context


def report_metrics(
    context: Context, findings: TrainFindings, manifest: ModelManifest, file: Path
) -> None:
    """Write them to ``file`` and into the executor's output."""
    values: dict[str, float] = {
        "held-out accuracy": manifest.validation_accuracy,
        "held-out loss": findings.history["val_loss"][findings.best_epoch - 1],
        "epochs": len(findings.history["loss"]),
        "best epoch": findings.best_epoch,
        "training images per second": findings.images_per_second,
        "parameters": findings.parameters,
        "calibration temperature": findings.temperature,
        "held-out calibration error before the temperature": findings.ece_before,
        "held-out calibration error after the temperature": findings.ece_after,
        "largest difference between exported files": findings.export_difference,
    }
    write_atomically(file, to_pretty_json(values).encode())
    context.executor_output.metadata("metrics", **values)
    learned = {
        "snapshot id": manifest.snapshot_id,
        "held-out accuracy": manifest.validation_accuracy,
    }
    context.executor_output.metadata(
        "model", version=manifest.version, architecture=manifest.architecture, **learned
    )
