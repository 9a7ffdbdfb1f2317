"""Small data that tests train on: striped 16x16 images, see `tests.artifacts.pattern`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, Sampling
from components.shared.preset import Augmentation, ImageSpec, Stage, TrainingPolicy
from components.training import models
from components.training.data.images import Images
from components.training.data.targets import log_frequencies
from components.training.fit.loop import Data, Watch
from components.training.fit.trainer import Trainer
from tests.artifacts import example_rows, pattern, small_preset, write_examples

IMAGE = ImageSpec(16, 16, 1)
LABELS = small_preset().data.labels
BRISK = TrainingPolicy(
    architecture="small-cnn",
    stages=(
        Stage(epochs=3, learning_rate=3e-3, schedule="cosine"),
        Stage(epochs=2, optimizer="sgd", learning_rate=1e-3),
    ),
    batch_size=16,
    augmentation=Augmentation(
        flip=True, rotation_degrees=5, zoom=0.05, shift=0.02, brightness=0.05, contrast=0.1
    ),
    label_smoothing=0.05,
    dropout=0.2,
    l2=1e-4,
)
NOBODY = Watch(
    lambda checkpoint: None,
    lambda standing: None,
    lambda standing, done, batches, loss: None,
    lambda: False,
)


def images(
    per_class: int, seed: int, classes: int = 7, size: int = 16, channels: int = 1
) -> Images:
    """``per_class`` striped images of each class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class).astype(np.int32)
    pixels = np.stack(
        [
            np.repeat(pattern(int(label), rng, size)[:, :, None], channels, axis=2)
            for label in labels
        ]
    )
    ids = tuple(f"{seed}-{index}" for index in range(len(labels)))
    return Images(
        ids,
        pixels,
        labels,
        np.zeros((len(labels), classes), np.float32),
        ImageSpec(size, size, channels),
    )


def trainer_of(policy: TrainingPolicy, rows: Data, image: ImageSpec = IMAGE) -> Trainer:
    """An untrained trainer of this policy's network; seed before calling."""
    network = models.build(policy.architecture, image, 7, policy.dropout, policy.l2)
    return Trainer(network, policy, log_frequencies(rows.training.labels, rows.repeats, 7))


def data(per_class: int = 12, size: int = 16, channels: int = 1) -> Data:
    """Uneven repeats and weights, so that both matter."""
    training = images(per_class, 1, size=size, channels=channels)
    rng = np.random.default_rng(5)
    count = len(training.labels)
    weights = rng.uniform(0.5, 1.5, count).astype(np.float32)
    return Data(
        training, rng.integers(0, 3, count), weights, images(4, 2, size=size, channels=channels)
    )


def write_inputs(
    folder: Path, rows: list[dict[str, object]] | None = None, repeats: int = 2
) -> tuple[Path, Path]:
    """An examples artifact and a sampling plan of its training rows."""
    counts = {
        "train": dict.fromkeys(LABELS, 16),
        "validation": dict.fromkeys(LABELS, 4),
        "test": dict.fromkeys(LABELS, 4),
    }
    rows = example_rows(counts, LABELS) if rows is None else rows
    examples, plan = folder / "examples", folder / "plan"
    snapshot = write_examples(examples, rows, LABELS)
    write_plan(
        plan, [row for row in rows if row["split"] == "train"], snapshot.snapshot_id, repeats
    )
    return examples, plan


def write_plan(
    folder: Path, rows: list[dict[str, object]], snapshot_id: str, repeats: int = 1
) -> None:
    """A sampling plan that draws each of these rows ``repeats`` times."""
    contract.start(folder)
    columns = {
        "example_id": pa.array([row["example_id"] for row in rows], pa.string()),
        "label": pa.array([row["label"] for row in rows], pa.string()),
        "repeats": pa.array([repeats] * len(rows), pa.int32()),
        "weight": pa.array([1.0] * len(rows), pa.float32()),
    }
    pq.write_table(pa.table(columns), folder / "plan.parquet")
    contract.finish(
        folder,
        "sampling_plan",
        Sampling(
            LAYOUT_VERSION,
            snapshot_id,
            "none",
            len(rows),
            repeats * len(rows),
            dict.fromkeys(LABELS, 1.0),
        ),
    )
