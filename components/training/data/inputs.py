"""What the step reads: the artifacts checked against the preset and each other, then their images.

Needs no Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.shared.artifacts.contract import Sampling, Snapshot, read_marker
from components.shared.errors import ContractError
from components.shared.preset import Preset
from components.shared.step import progress
from components.training.data.examples import check_rows, chosen, read_encoded, read_plan, read_rows
from components.training.data.images import (
    Images,
    PixelRows,
    StreamedPixels,
    decode_images,
    labels_of,
    require_all,
)
from components.training.data.sampling import Plan


@dataclass(frozen=True)
class Inputs:
    """What the step reads, checked against the preset and each other.

    Attributes:
        golden: example ids of the golden images.
        training: label index of each training row that the plan draws.
        validation: label index of each held-out row.
        distributions: annotators' votes of the rows that have them.
    """

    folder: Path
    snapshot: Snapshot
    plan: Plan
    golden: tuple[str, ...]
    training: dict[str, int]
    validation: dict[str, int]
    distributions: dict[str, tuple[float, ...]]


def read_inputs(examples: Path, sampling_plan: Path, preset: Preset) -> Inputs:
    """Read and check everything but the images.

    Raises:
        ContractError: an artifact is incomplete, or they don't belong together.
        InputError: there is nothing to train on, see
            `components.training.data.examples.check_rows`.
    """
    snapshot = read_marker(examples, "examples", Snapshot)
    sampling = read_marker(sampling_plan, "sampling_plan", Sampling)
    plan = read_plan(sampling_plan)
    if sampling.snapshot_id != snapshot.snapshot_id:
        raise ContractError(
            "the sampling plan was made for another snapshot",
            expected=snapshot.snapshot_id,
            received=sampling.snapshot_id,
            fix="run resample again",
        )
    labels = preset.data.labels
    if snapshot.labels != labels:
        raise ContractError(
            "the examples have other labels than the preset",
            expected=", ".join(labels),
            received=", ".join(snapshot.labels),
        )
    rows = read_rows(examples, snapshot)
    check_rows(rows, plan, labels)
    drawn = {
        example_id
        for example_id, repeats in zip(plan.example_ids, plan.repeats, strict=True)
        if repeats
    }
    return Inputs(
        folder=examples,
        snapshot=snapshot,
        plan=plan,
        golden=tuple(chosen(rows, preset.serving.golden_images, preset.training.seed)),
        training={
            row.example_id: labels.index(row.label) for row in rows if row.example_id in drawn
        },
        validation={
            row.example_id: labels.index(row.label) for row in rows if row.split == "validation"
        },
        distributions={
            row.example_id: row.label_distribution for row in rows if row.label_distribution
        },
    )


def open_images(inputs: Inputs, preset: Preset, scratch: Path) -> tuple[Images, Images]:
    """Training and validation images.

    In memory where both fit the policy's budget, otherwise streamed from ``scratch``.
    """
    spec, policy = preset.data.image, preset.training
    needed = (
        (len(inputs.training) + len(inputs.validation)) * spec.height * spec.width * spec.channels
    )
    in_memory = needed <= policy.memory_budget_bytes

    def opened(labels: dict[str, int], purpose: str) -> Images:
        encoded = read_encoded(inputs.folder, inputs.snapshot, labels)
        pixels: PixelRows
        if in_memory:
            show = partial(_show, f"decoded for {purpose}")
            ids, pixels = decode_images(encoded, len(labels), spec, show)
        else:
            pixels = StreamedPixels(scratch / f"{purpose}.images", encoded, spec)
            ids = require_all(pixels.example_ids, len(labels))
        return Images(
            ids,
            pixels,
            labels_of(ids, labels),
            _distributions(inputs, ids, policy.soft_labels),
            spec,
        )

    return opened(inputs.training, "training"), opened(inputs.validation, "validation")


def _show(note: str, done: int, total: int) -> None:
    progress.show(done, total, "images", note)


def _distributions(inputs: Inputs, ids: tuple[str, ...], wanted: bool) -> npt.NDArray[np.float32]:
    """Votes of these rows, float32 ``[n, labels]``.

    Zeros where there are none or they aren't wanted.
    """
    nothing = (0.0,) * len(inputs.snapshot.labels)
    rows = [
        inputs.distributions.get(example_id, nothing) if wanted else nothing for example_id in ids
    ]
    return np.array(rows, np.float32).reshape(len(ids), len(nothing))


def plan_columns(
    inputs: Inputs, example_ids: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Repeats (int64) and weights (float32) of the plan, in the order of ``example_ids``."""
    position = {example_id: index for index, example_id in enumerate(inputs.plan.example_ids)}
    order = [position[example_id] for example_id in example_ids]
    return inputs.plan.repeats[order], inputs.plan.weights[order]
