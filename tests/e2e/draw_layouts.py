"""Draw striped images in the layouts of the reference presets.

`python -m tests.e2e.draw_layouts LAYOUT OUTPUT LABEL...`.

Runs in the ingestion environment. A label's images have a bright stripe at a place of its own.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SPLITS = {
    "split-folders": ("train", "test"),
    "three-folders": ("training", "validation", "testing"),
    "class-folders": ("",),
}
PER_CLASS = {"": 50, "train": 40, "training": 40, "validation": 12, "test": 12, "testing": 12}


def main(layout: str, output: Path, labels: list[str]) -> None:
    rng = np.random.default_rng(5)
    if layout == "csv":
        return write_csv(output, labels, rng)
    size, channels = (48, 1) if layout == "split-folders" else (64, 3)  # FER2013's own, or colour
    for split in SPLITS[layout]:
        for label, pixels in drawn(labels, PER_CLASS[split], rng, size, channels):
            folder = output / split / label
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.squeeze()).save(folder / f"{len(list(folder.iterdir())):03}.png")
    return None


def write_csv(output: Path, labels: list[str], rng: np.random.Generator) -> None:
    """FER2013's own table: label number, 48x48 gray values, usage."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["emotion", "pixels", "Usage"])
        for usage, count in (("Training", 40), ("PublicTest", 12)):
            for label, pixels in drawn(labels, count, rng, 48, 1):
                writer.writerow([labels.index(label), " ".join(map(str, pixels.ravel())), usage])


def drawn(
    labels: list[str], count: int, rng: np.random.Generator, size: int, channels: int
) -> Iterator[tuple[str, np.ndarray]]:
    """``count`` images of each label, uint8 ``[size, size, channels]``."""
    for index, label in enumerate(labels):
        for _ in range(count):
            # Coarse patches of each image's own, so that none passes for a near duplicate of
            # another.
            patches = (
                rng.normal(90, 40, (8, 8, channels))
                .repeat(size // 8, axis=0)
                .repeat(size // 8, axis=1)
            )
            image = patches + rng.normal(0, 15, patches.shape)
            top = (index + 1) * size // (len(labels) + 1)
            image[top : top + size // 10] += 110
            yield label, np.clip(image, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
