"""What the step reads: the artifacts checked against the preset and each other, then their images. Needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.contracts.artifacts import Sampling, Snapshot, read_marker
from components.contracts.errors import ContractError
from components.contracts.preset import Preset
from components.runtime import progress
from components.training.examples import Images, check_rows, chosen, decode_images, read_encoded, read_plan, read_rows
from components.training.sampling import Plan


@dataclass(frozen=True)
class Inputs:
    """Attributes:
    golden: example ids of the golden images.
    training: label index of each training row that the plan draws; validation: of each held-out row.
    """

    folder: Path
    snapshot: Snapshot
    plan: Plan
    golden: tuple[str, ...]
    training: dict[str, int]
    validation: dict[str, int]


def read_inputs(examples: Path, sampling_plan: Path, preset: Preset) -> Inputs:
    """Read and check everything but the images.

    Raises:
        ContractError: an artifact is incomplete, or they don't belong together.
        InputError: there is nothing to train on, see `components.training.examples.check_rows`.
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
            "the examples have other labels than the preset", expected=", ".join(labels), received=", ".join(snapshot.labels)
        )
    rows = read_rows(examples, snapshot)
    check_rows(rows, plan, labels)
    drawn = {example_id for example_id, repeats in zip(plan.example_ids, plan.repeats, strict=True) if repeats}
    return Inputs(
        folder=examples,
        snapshot=snapshot,
        plan=plan,
        golden=tuple(chosen(rows, preset.serving.golden_images, preset.training.seed)),
        training={row.example_id: labels.index(row.label) for row in rows if row.example_id in drawn},
        validation={row.example_id: labels.index(row.label) for row in rows if row.split == "validation"},
    )


def decode_all(inputs: Inputs, preset: Preset) -> tuple[Images, Images]:
    """Training and validation images, each decoded in one pass over the shards."""

    def decoded(labels: dict[str, int], purpose: str) -> Images:
        def show(done: int, total: int) -> None:
            progress.show(done, total, "images", f"decoded for {purpose}")

        return decode_images(read_encoded(inputs.folder, inputs.snapshot, labels), labels, preset.data.image, show)

    return decoded(inputs.training, "training"), decoded(inputs.validation, "validation")


def plan_columns(inputs: Inputs, images: Images) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Repeats (int64) and weights (float32) of the plan, in the order of ``images``."""
    position = {example_id: index for index, example_id in enumerate(inputs.plan.example_ids)}
    order = [position[example_id] for example_id in images.example_ids]
    return inputs.plan.repeats[order], inputs.plan.weights[order]
