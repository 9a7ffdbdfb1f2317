"""The step itself.

Images, training with checkpoints, calibration, export, proof, and the artifact.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, MARKERS, ModelManifest
from components.shared.errors import ContractError, EnvironmentProblem
from components.shared.findings import TrainFindings
from components.shared.preset import Preset
from components.shared.step import progress
from components.shared.step.frame import Context
from components.shared.store import keys
from components.shared.store.interface import Store
from components.training import backend, models
from components.training.data.images import StreamedPixels
from components.training.data.inputs import Inputs, open_images, plan_columns
from components.training.data.targets import log_frequencies
from components.training.fit import calibration
from components.training.fit.checkpoint import Checkpoint, from_bytes, key_of, to_bytes
from components.training.fit.loop import Data, Watch, fit
from components.training.fit.metrics import report_metrics
from components.training.fit.state import Standing
from components.training.fit.trainer import Trainer
from components.training.models.pretrained import load_pretrained

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class Learned:
    """A finished training.

    Attributes:
        network: with the best weights, in float32. pretrained_sha256: of the weights that it
            started from.
    """

    network: keras.Model
    standing: Standing
    device: str
    pretrained_sha256: str


def train(
    context: Context, inputs: Inputs, code_version: str, model: Path, metrics: Path
) -> TrainFindings:
    """Train the challenger of ``context.preset`` and write its artifact to ``model``.

    Raises:
        EnvironmentProblem: trained, but this backend can't write the exported files.
    """
    preset = context.preset
    key = key_of(inputs.snapshot.snapshot_id, preset, code_version)
    data = _data(inputs, preset, context.scratch)
    learned = learn(context, data, key)
    if backend.name() != "tensorflow":
        raise EnvironmentProblem(
            f"the model is trained and its checkpoint stands, but {backend.name()} can't write"
            " SavedModel and LiteRT files",
            fix=(
                "run the same command with KERAS_BACKEND=tensorflow: it continues from the"
                " checkpoint and exports"
            ),
        )
    from components.training.export.artifact import write_model

    _write_tensorboard(
        context, learned.standing
    )  # also where another backend, or an earlier run, trained it
    written = write_model(model, learned.network, learned.standing, inputs, data, preset)
    manifest = _manifest(
        model,
        preset,
        learned.network.count_params(),
        written.calibrated,
        inputs.snapshot.snapshot_id,
        code_version,
    )
    contract.finish(model, "model", manifest)
    context.store.write(key, b"")  # the artifact is whole: nothing is left to continue
    findings = TrainFindings(
        architecture=preset.training.architecture,
        parameters=learned.network.count_params(),
        device=learned.device,
        seed=preset.training.seed,
        train_rows=len(data.training.labels),
        validation_rows=len(data.validation.labels),
        history=learned.standing.history,
        best_epoch=learned.standing.best_epoch,
        stages=learned.standing.stages,
        # Of the median epoch: the first one also compiles.
        images_per_second=round(float(np.median(learned.standing.history["images_per_second"])), 1),
        temperature=written.calibrated.temperature,
        ece_before=written.calibrated.ece_before,
        ece_after=written.calibrated.ece_after,
        export_difference=written.difference,
        file_bytes=written.file_bytes,
        backend=backend.name(),
        images_from="stream" if isinstance(data.training.pixels, StreamedPixels) else "memory",
        compared_images=written.compared_images,
        pretrained_sha256=learned.pretrained_sha256,
    )
    report_metrics(context, findings, manifest, metrics)
    return findings


def learn(
    context: Context, data: Data, key: str, told: Callable[[Standing], None] = lambda standing: None
) -> Learned:
    """Train, from the checkpoint at ``key`` where there is one; TensorFlow isn't needed for this.

    Args:
        told: hears of every finished epoch, and may end training by an error of its own.
    """
    preset, policy = context.preset, context.preset.training
    machine = backend.current()
    machine.make_deterministic(policy.seed)
    device, checkpoint, sha256 = machine.device_name(), _checkpoint(context.store, key), ""
    dtype = machine.dtype_policy(policy.precision)
    with machine.on_devices(policy.devices), _dtype_policy(dtype):
        network = build(preset)
        print(
            f"{policy.architecture}: {network.count_params():,} parameters on {device}", flush=True
        )
        if policy.pretrained is not None:
            sha256 = load_pretrained(
                network, policy.pretrained, context.scratch, load=checkpoint is None
            )
        frequencies = log_frequencies(data.training.labels, data.repeats, len(preset.data.labels))
        trainer = Trainer(network, policy, frequencies)
        with _asked_to_stop() as stop:
            standing = fit(trainer, data, policy, checkpoint, _watch(context, key, stop, told))
    if dtype != "float32":
        network, trained = build(preset), network
        network.set_weights(trained.get_weights())
    return Learned(network, standing, device, sha256)


def build(preset: Preset) -> keras.Model:
    """Return the untrained network of a preset."""
    policy = preset.training
    return models.build(
        policy.architecture, preset.data.image, len(preset.data.labels), policy.dropout, policy.l2
    )


def _data(inputs: Inputs, preset: Preset, scratch: Path) -> Data:
    training, validation = open_images(inputs, preset, scratch)
    repeats, weights = plan_columns(inputs, training.example_ids)
    return Data(training, repeats, weights, validation)


def _checkpoint(store: Store, key: str) -> Checkpoint | None:
    """Where an earlier attempt ended.

    One that can't be read costs time, not the night: training then starts anew.
    """
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


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Layers made within it compute as Keras's policy ``name`` says."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Within it SIGTERM is remembered, and training ends at its next batch with its state saved."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(
    context: Context, key: str, stop: Callable[[], bool], told: Callable[[Standing], None]
) -> Watch:
    """Return what saves every epoch and shows it; within a long epoch, a line every few seconds."""
    last_line = [time.monotonic()]

    def show(standing: Standing, note: str) -> None:
        last_line[0] = time.monotonic()
        progress.show(
            standing.epoch, standing.total_epochs(context.preset.training), "epochs", note
        )

    def on_epoch(standing: Standing) -> None:
        scores = {name: values[-1] for name, values in standing.history.items()}
        show(
            standing,
            f"accuracy {scores['accuracy']:.3f}, held-out {scores['val_accuracy']:.3f},"
            f" {scores['seconds']:.1f} s",
        )
        _write_tensorboard(context, standing)
        told(standing)

    def on_batch(standing: Standing, done: int, batches: int, loss: float) -> None:
        if time.monotonic() - last_line[0] >= SECONDS_BETWEEN_LINES:
            show(
                standing, f"epoch {standing.epoch + 1}: {100 * done // batches} %, loss {loss:.3f}"
            )

    return Watch(
        lambda checkpoint: context.store.write(key, to_bytes(checkpoint)), on_epoch, on_batch, stop
    )


def _write_tensorboard(context: Context, standing: Standing) -> None:
    """Write the history so far as an event file of the run.

    Replaced as a whole, so a resumed training leaves one curve.
    """
    if backend.name() == "tensorflow":
        from components.training.backend.files import tensorboard_events

        context.store.write(
            f"{keys.run(context.run_id)}/tensorboard/events.out.tfevents.0.train",
            tensorboard_events(standing.history),
        )


def _manifest(
    folder: Path,
    preset: Preset,
    parameters: int,
    calibrated: calibration.Calibration,
    snapshot_id: str,
    code_version: str,
) -> ModelManifest:
    from components.training.export.files import SERVED_FILE

    return ModelManifest(
        layout_version=LAYOUT_VERSION,
        model_name=preset.model_name,
        preset=preset.name,
        labels=preset.data.labels,
        image=preset.data.image,
        served_file=SERVED_FILE,
        architecture=preset.training.architecture,
        parameters=parameters,
        temperature=calibrated.temperature,
        validation_accuracy=calibrated.accuracy,
        snapshot_id=snapshot_id,
        code_version=code_version,
        seed=preset.training.seed,
        files=contract.checksums(folder, without=MARKERS["model"]),
    )
