"""The command line of resample."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.resampling.rows import per_label, plan_table, training_rows
from components.resampling.strategies import draw
from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, Sampling, Snapshot
from components.shared.findings import ResampleFindings
from components.shared.step.frame import Context, Step, main


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what resample takes."""
    parser.add_argument("--examples", type=Path, required=True, help="the examples artifact")
    parser.add_argument("--sampling-plan", type=Path, required=True, help="where the plan goes")


def resample(context: Context, arguments: argparse.Namespace) -> ResampleFindings:
    """Read the training rows, draw the plan, write it."""
    preset = context.preset
    policy, labels = preset.resampling, preset.data.labels
    snapshot = contract.read_marker(arguments.examples, "examples", Snapshot)
    training = training_rows(arguments.examples, snapshot, labels)
    plan = draw(policy, np.array(training["label"].to_pylist()), preset.training.seed)

    # A label without a training row has no say in the weights; 1 keeps the list complete.
    weights = {label: plan.class_weights.get(label, 1.0) for label in labels}
    draws = int(plan.repeats.sum())
    folder = contract.start(arguments.sampling_plan)
    pq.write_table(plan_table(training, plan), folder / "plan.parquet")
    marker = Sampling(
        LAYOUT_VERSION, snapshot.snapshot_id, policy.strategy, training.num_rows, draws, weights
    )
    contract.finish(folder, "sampling_plan", marker)

    context.executor_output.metadata(
        "sampling_plan", strategy=policy.strategy, rows=training.num_rows, draws=draws
    )
    before = per_label(training, np.ones(training.num_rows, np.int64), labels)
    print(f"{policy.strategy}: {training.num_rows:,} training rows, {draws:,} draws in an epoch")
    return ResampleFindings(
        policy.strategy, before, per_label(training, plan.repeats, labels), weights
    )


STEPS = {
    "resample": Step(
        "Say how often each training row is seen and how much it counts.", add_arguments, resample
    )
}

if __name__ == "__main__":
    sys.exit(main("resampling", STEPS))
