"""The scalar metrics of a training, for Kubeflow Pipelines and for people. Needs no Keras."""

from __future__ import annotations

from pathlib import Path

from components.contracts.artifacts import ModelManifest, write_atomically
from components.contracts.codec import to_pretty_json
from components.contracts.findings import TrainFindings
from components.runtime.step import Context


def report_metrics(context: Context, findings: TrainFindings, manifest: ModelManifest, file: Path) -> None:
    """Write them to ``file`` and into the executor's output."""
    values: dict[str, float | str] = {
        "held_out_accuracy": manifest.validation_accuracy,
        "held_out_loss": findings.history["val_loss"][findings.best_epoch - 1],
        "epochs": len(findings.history["loss"]),
        "best_epoch": findings.best_epoch,
        "images_per_second": findings.images_per_second,
        "parameters": findings.parameters,
        "temperature": findings.temperature,
        "ece_before": findings.ece_before,
        "ece_after": findings.ece_after,
        "export_difference": findings.export_difference,
    }
    write_atomically(file, to_pretty_json(values).encode())
    context.executor_output.metadata("metrics", **values)
    context.executor_output.metadata(
        "model", version=manifest.version, architecture=manifest.architecture, snapshot_id=manifest.snapshot_id
    )
