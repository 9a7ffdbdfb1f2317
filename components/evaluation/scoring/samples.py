"""A few test images with what the models say about them, for the report."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from components.evaluation.scoring.sums import Labels, Table
from components.shared.findings import SamplePrediction
from components.shared.images.decode import encode_png, read_input
from components.shared.preset import ImageSpec

PER_CLASS = 3
LARGEST_SIDE = 96


def choose(labels: Labels, probabilities: Table, seed: int) -> list[int]:
    """Rows to show: per true class one right, the one that is most surely wrong, and any third.

    Fewer where there are fewer.

    Args:
        labels: int ``[n]``, true. probabilities: ``[n, labels]``. seed: of the random picks.
    """
    rng = np.random.default_rng(seed)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen: list[int] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        right, wrong = rows[predicted[rows] == label], rows[predicted[rows] != label]
        surest = wrong[np.argsort(-confidence[wrong], kind="stable")]
        ranked = [*right[:1], *surest[:1], *rows]
        chosen.extend(list(dict.fromkeys(int(row) for row in ranked))[:PER_CLASS])
    return chosen


def sample(
    content: bytes,
    spec: ImageSpec,
    example_id: str,
    names: Sequence[str],
    label: int,
    challenger: Table,
    champion: Table | None,
) -> SamplePrediction:
    """One row of the gallery.

    ``challenger`` and ``champion`` are its probabilities ``[labels]``.
    """
    return SamplePrediction(
        example_id=example_id,
        image=_data_uri(content, spec),
        label=names[label],
        predicted=names[int(challenger.argmax())],
        probabilities=tuple(float(value) for value in challenger),
        champion_predicted=None if champion is None else names[int(champion.argmax())],
        champion_probabilities=()
        if champion is None
        else tuple(float(value) for value in champion),
    )


def _data_uri(content: bytes, spec: ImageSpec) -> str:
    scale = min(1.0, LARGEST_SIDE / max(spec.height, spec.width))
    shown = ImageSpec(
        max(8, round(spec.height * scale)), max(8, round(spec.width * scale)), spec.channels
    )
    return (
        "data:image/png;base64," + base64.b64encode(encode_png(read_input(content, shown))).decode()
    )
