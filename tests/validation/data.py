"""Examples as tables: small, all rules hold on them until a test spoils one thing."""

import hashlib

import numpy as np
import pandas as pd

from components.shared.artifacts.contract import EXAMPLE_COLUMNS, EXAMPLES_VERSION, Snapshot
from components.shared.preset import Preset
from components.validation.rows.tables import Tables, derive
from tests.artifacts import small_preset

PRESET = small_preset()
LABELS = PRESET.data.labels
DESCRIBED = [f"{name}: {kind}" for name, kind in EXAMPLE_COLUMNS.items()]
SIZES = {"train": 40, "validation": 8, "test": 20}


def examples(
    seed: int = 1, sizes: dict[str, int] | None = None, labels: tuple[str, ...] = LABELS
) -> pd.DataFrame:
    """Rows without images.

    ``sizes`` rows of every label per split, measures normally distributed.
    """
    rng = np.random.default_rng(seed)
    rows = [
        (split, label, index)
        for split, size in (sizes or SIZES).items()
        for label in labels
        for index in range(size)
    ]
    ids = [hashlib.sha256(f"{seed} {row}".encode()).hexdigest() for row in rows]
    measures = {
        name: rng.normal(mean, mean / 8, len(rows)).astype(np.float32)
        for name, mean in {
            "brightness": 110.0,
            "contrast": 40.0,
            "sharpness": 300.0,
            "entropy": 5.0,
        }.items()
    }
    return pd.DataFrame(
        {
            "example_id": ids,
            "content_id": [f"c{name}" for name in ids],
            "group_id": [f"g{name}" for name in ids],
            "label": [label for _, label, _ in rows],
            "split": [split for split, _, _ in rows],
            "published_split": [split for split, _, _ in rows],
            "note": "",
            "source": "",
            "source_uri": [f"{split}/{label}/{index}.png" for split, label, index in rows],
            "width": np.int32(16),
            "height": np.int32(16),
            "channels": np.int32(1),
            "format": "PNG",
            **measures,
            "perceptual_hash": [name[:16] for name in ids],
        }
    )


def snapshot_of(
    rows: pd.DataFrame, rejected: int = 0, labels: tuple[str, ...] = LABELS
) -> Snapshot:
    counts = {
        split: part["label"].value_counts().to_dict() for split, part in rows.groupby("split")
    }
    return Snapshot(
        EXAMPLES_VERSION, "s1", "tests", labels, counts, len(rows) + rejected, rejected, ()
    )


def tables_of(
    rows: pd.DataFrame,
    preset: Preset = PRESET,
    described: list[str] | None = None,
    **marker: object,
) -> Tables:
    return derive(
        rows, DESCRIBED if described is None else described, snapshot_of(rows, **marker), preset
    )  # type: ignore[arg-type]
