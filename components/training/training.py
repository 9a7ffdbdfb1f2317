"""The step itself: decode, train with checkpoints, calibrate, export, prove, and write the artifact."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contracts import artifacts
from components.contracts.artifacts import LAYOUT_VERSION, MARKERS, ModelManifest
from components.contracts.codec import to_pretty_json
from components.contracts.errors import ContractError
from components.contracts.findings import TrainFindings
from components.contracts.preset import Preset
from components.runtime import progress
from components.runtime.step import Context
from components.runtime.store import Store
from components.training import backend, calibration, export, models
from components.training.checkpoint import Checkpoint, from_bytes, key_of, to_bytes
from components.training.examples import read_encoded
from components.training.golden import write_golden
from components.training.inputs import Inputs, decode_all, plan_columns
from components.training.loop import Data, Watch, fit
from components.training.standing import Standing

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class Calibration:
    """The temperature, and what it does to the held-out rows."""

    temperature: float
    accuracy: float
    ece_before: float
    ece_after: float


def train(context: Context, inputs: Inputs, code_version: str, model: Path, metrics: Path) -> TrainFindings:
    """Train the challenger of ``context.preset`` and write its artifact to ``model``."""
    preset, policy = context.preset, context.preset.training
    backend.make_deterministic(policy.seed)
    network = models.build(policy.architecture, preset.data.image, len(preset.data.labels), policy.dropout, policy.l2)
    device = backend.device_name()
    print(f"{policy.architecture}: {network.count_params():,} parameters on {device}", flush=True)
    data = _data(inputs, preset)
    trainer = backend.Trainer(network, preset.data.image, policy.augmentation, policy.label_smoothing)
    key = key_of(inputs.snapshot.snapshot_id, preset, code_version)
    standing = fit(trainer, data, policy, _checkpoint(context.store, key), _watch(context.store, key, preset))
    calibrated = _calibrate(trainer, data)

    folder = artifacts.start(model)
    difference = _write_model(folder, trainer, inputs, data, preset, calibrated.temperature)
    history = {name: values for name, values in standing.history.items() if name != "seconds"}
    artifacts.write_atomically(folder / "history.json", to_pretty_json(history).encode())
    manifest = _manifest(folder, preset, network.count_params(), calibrated, inputs.snapshot.snapshot_id, code_version)
    artifacts.finish(folder, "model", manifest)
    context.store.write(key, b"")  # the artifact is whole: nothing is left to continue

    findings = _findings(preset, network.count_params(), device, data, standing, calibrated, difference, export.file_bytes(folder))
    _report_metrics(context, findings, manifest, metrics)
    return findings


def _data(inputs: Inputs, preset: Preset) -> Data:
    training, validation = decode_all(inputs, preset)
    repeats, weights = plan_columns(inputs, training)
    return Data(training, repeats, weights, validation)


def _checkpoint(store: Store, key: str) -> Checkpoint | None:
    """Where an earlier attempt ended. One that can't be read costs time, not the night: training then starts anew."""
    content = store.read(key)
    if not content:
        return None
    try:
        checkpoint = from_bytes(content)
    except ContractError as error:
        print(f"starting anew: {error}", flush=True)
        return None
    print(f"continuing after epoch {checkpoint.standing.epoch} of an earlier attempt", flush=True)
    return checkpoint


def _watch(store: Store, key: str, preset: Preset) -> Watch:
    """Saves every epoch, and shows it; within a long epoch, a line every few seconds."""
    last_line = [time.monotonic()]

    def show(standing: Standing, note: str) -> None:
        last_line[0] = time.monotonic()
        progress.show(standing.epoch, standing.total_epochs(preset.training), "epochs", note)

    def on_epoch(standing: Standing) -> None:
        scores = {name: values[-1] for name, values in standing.history.items()}
        show(standing, f"accuracy {scores['accuracy']:.3f}, held-out {scores['val_accuracy']:.3f}, {scores['seconds']:.1f} s")

    def on_batch(standing: Standing, done: int, batches: int, loss: float) -> None:
        if time.monotonic() - last_line[0] >= SECONDS_BETWEEN_LINES:
            show(standing, f"epoch {standing.epoch + 1}: {100 * done // batches} %, loss {loss:.3f}")

    return Watch(lambda checkpoint: store.write(key, to_bytes(checkpoint)), on_epoch, on_batch)


def _calibrate(trainer: backend.Trainer, data: Data) -> Calibration:
    logits, labels = trainer.logits(data.validation.pixels), data.validation.labels
    temperature = calibration.fit_temperature(logits, labels)
    before, after = (
        calibration.expected_calibration_error(calibration.probabilities(logits, value), labels) for value in (1.0, temperature)
    )
    return Calibration(temperature, float((logits.argmax(axis=1) == labels).mean()), before, after)


def _write_model(folder: Path, trainer: backend.Trainer, inputs: Inputs, data: Data, preset: Preset, temperature: float) -> float:
    """The three files and the golden images; returns the largest difference between the files."""
    image = preset.data.image
    export.write_files(export.served_network(trainer.network, image, temperature), folder)
    lite = (folder / export.SERVED_FILE).read_bytes()
    originals = dict(read_encoded(inputs.folder, inputs.snapshot, set(inputs.golden)))
    golden = write_golden(folder / "golden", originals, image, lambda pixels: backend.run_lite(lite, pixels))
    compared = np.concatenate([golden, data.validation.pixels])[: export.COMPARED_IMAGES]
    return export.proven_difference(folder, compared)


def _manifest(folder: Path, preset: Preset, parameters: int, calibrated: Calibration, snapshot_id: str, code_version: str) -> ModelManifest:
    return ModelManifest(
        layout_version=LAYOUT_VERSION,
        model_name=preset.model_name,
        preset=preset.name,
        labels=preset.data.labels,
        image=preset.data.image,
        served_file=export.SERVED_FILE,
        architecture=preset.training.architecture,
        parameters=parameters,
        temperature=calibrated.temperature,
        validation_accuracy=calibrated.accuracy,
        snapshot_id=snapshot_id,
        code_version=code_version,
        seed=preset.training.seed,
        files=artifacts.checksums(folder, without=MARKERS["model"]),
    )


def _findings(
    preset: Preset,
    parameters: int,
    device: str,
    data: Data,
    standing: Standing,
    calibrated: Calibration,
    difference: float,
    sizes: dict[str, int],
) -> TrainFindings:
    return TrainFindings(
        architecture=preset.training.architecture,
        parameters=parameters,
        device=device,
        seed=preset.training.seed,
        train_rows=len(data.training.labels),
        validation_rows=len(data.validation.labels),
        history=standing.history,
        best_epoch=standing.best_epoch,
        stages=standing.stages,
        # Of the median epoch, held-out scoring included: the first one also compiles.
        images_per_second=round(data.draws / float(np.median(standing.history["seconds"])), 1),
        temperature=calibrated.temperature,
        ece_before=calibrated.ece_before,
        ece_after=calibrated.ece_after,
        export_difference=difference,
        file_bytes=sizes,
    )


def _report_metrics(context: Context, findings: TrainFindings, manifest: ModelManifest, metrics: Path) -> None:
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
    artifacts.write_atomically(metrics, to_pretty_json(values).encode())
    context.executor_output.metadata("metrics", **values)
    context.executor_output.metadata(
        "model", version=manifest.version, architecture=manifest.architecture, snapshot_id=manifest.snapshot_id
    )
