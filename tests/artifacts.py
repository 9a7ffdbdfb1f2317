"""Builders for tests: small artifacts with real content, from the standard library and NumPy.

Only examples need pyarrow.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from components.shared.artifacts import contract
from components.shared.artifacts.contract import (
    EXAMPLE_COLUMNS,
    EXAMPLES_VERSION,
    REJECTED_COLUMNS,
    Snapshot,
)
from components.shared.preset import (
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    Stage,
    TrainingPolicy,
)
from tests.artifacts_png import encode_gray


def small_preset(**changes: object) -> Preset:
    """A preset of 16x16 gray images that trains in seconds."""
    values: dict[str, object] = {
        "name": "small",
        "model_name": "small",
        "summary": "for tests",
        "data": DataPolicy(taxonomy="basic-7", image=ImageSpec(16, 16, 1)),
        "training": TrainingPolicy(
            architecture="small-cnn", stages=(Stage(epochs=2),), batch_size=16
        ),
        "gate": GatePolicy(
            min_accuracy=0.2, min_macro_f1=0.1, min_gain_over_majority=0.0, first_model="promote"
        ),
    }
    return Preset(**{**values, **changes})  # type: ignore[arg-type]


def png(pixels: np.ndarray) -> bytes:
    """An 8-bit gray PNG of ``[h, w]`` uint8 pixels."""
    return encode_gray(*pixels.shape, [row.tobytes() for row in pixels])


def pattern(label_index: int, rng: np.random.Generator, size: int = 16) -> np.ndarray:
    """A noisy uint8 ``[size, size]`` image whose bright stripe tells its class (0 to 6)."""
    image = rng.normal(90, 20, (size, size))
    image[2 * label_index : 2 * label_index + 2] += 110
    return np.clip(image, 0, 255).astype(np.uint8)


def example_rows(
    per_class: dict[str, dict[str, int]], labels: tuple[str, ...], size: int = 16, seed: int = 1
) -> list[dict[str, object]]:
    """Rows of EXAMPLE_COLUMNS: ``per_class`` is split, then label, then how many."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for split, counts in per_class.items():
        for label, count in counts.items():
            for index in range(count):
                pixels = pattern(labels.index(label), rng, size)
                content = hashlib.sha256(pixels.tobytes()).hexdigest()
                uri = f"{split}/{label}/{index}.png"
                rows.append(
                    {
                        "example_id": hashlib.sha256(f"{content}{uri}".encode()).hexdigest(),
                        "content_id": content,
                        "group_id": content,
                        "image": png(pixels),
                        "label": label,
                        "label_distribution": [],
                        "split": split,
                        "published_split": split,
                        "note": "",
                        "source": "",
                        "source_uri": uri,
                        "width": size,
                        "height": size,
                        "channels": 1,
                        "format": "PNG",
                        "brightness": float(pixels.mean()),
                        "contrast": float(pixels.std()),
                        "sharpness": float(np.abs(np.diff(pixels.astype(float))).mean()),
                        "entropy": 5.0,
                        "perceptual_hash": content[:16],
                    }
                )
    return rows


def write_examples(
    folder: Path, rows: list[dict[str, object]], labels: tuple[str, ...], rejected: int = 0
) -> Snapshot:
    """Write an examples artifact as ingestion does, in two shards."""
    import pyarrow as pa  # not every environment has it
    import pyarrow.parquet as pq

    def schema(columns: dict[str, str]) -> pa.Schema:
        lists = {"list<float>": pa.list_(pa.float32())}
        return pa.schema(
            [(name, lists.get(kind) or pa.type_for_alias(kind)) for name, kind in columns.items()]
        )

    contract.start(folder)
    shards = ("images-00000-of-00002.parquet", "images-00001-of-00002.parquet")
    for index, shard in enumerate(shards):
        pq.write_table(
            pa.Table.from_pylist(rows[index::2], schema=schema(EXAMPLE_COLUMNS)), folder / shard
        )
    bad = [
        {"source_uri": f"bad/{index}.png", "reason": "truncated", "detail": "cut"}
        for index in range(rejected)
    ]
    pq.write_table(
        pa.Table.from_pylist(bad, schema=schema(REJECTED_COLUMNS)), folder / "rejected.parquet"
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        per_label = counts.setdefault(str(row["split"]), {})
        per_label[str(row["label"])] = per_label.get(str(row["label"]), 0) + 1
    identity = hashlib.sha256(
        "".join(sorted(str(row["example_id"]) for row in rows)).encode()
    ).hexdigest()
    snapshot = Snapshot(
        EXAMPLES_VERSION, identity, "tests", labels, counts, len(rows) + rejected, rejected, shards
    )
    contract.finish(folder, "examples", snapshot)
    return snapshot
