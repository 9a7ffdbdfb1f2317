"""`python -m components.training train`: reads examples and plan, trains, writes the model artifact."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.contracts.findings import TrainFindings
from components.runtime.step import Context, Step, main
from components.training.noise import import_keras


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--code-version", required=True, help="digest of the code and locks that train")
    parser.add_argument("--examples", type=Path, required=True, help="examples artifact")
    parser.add_argument("--sampling-plan", type=Path, required=True, help="sampling plan of its training rows")
    parser.add_argument("--model", type=Path, required=True, help="folder for the model artifact")
    parser.add_argument("--metrics", type=Path, required=True, help="file for the scalar metrics, as JSON")


def _train(context: Context, arguments: argparse.Namespace) -> TrainFindings:
    from components.training.inputs import read_inputs
    from components.training.metrics import report_metrics
    from components.training.reuse import champion_of, take

    # Whatever is wrong with the inputs is said before Keras's seconds of import.
    inputs = read_inputs(arguments.examples, arguments.sampling_plan, context.preset)
    champion = champion_of(context) if context.preset.training.reuse_model else None
    if champion is not None:
        findings, manifest = take(champion, arguments.model, inputs, context.preset)
        print(f"taking the champion {manifest.version} again; a run with --force trains", flush=True)
        report_metrics(context, findings, manifest, arguments.metrics)
        return findings
    import_keras(context.scratch)
    from components.training.training import train

    return train(context, inputs, arguments.code_version, arguments.model, arguments.metrics)


STEPS = {"train": Step("train the challenger and export it for serving", _train_arguments, _train)}

if __name__ == "__main__":
    sys.exit(main("training", STEPS))
