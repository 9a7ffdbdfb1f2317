"""`python -m components.training train`: reads examples and plan, trains, writes the model artifact; `export`: a file of one."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from components.contracts.artifacts import MARKERS
from components.contracts.errors import EmotionError, EnvironmentProblem
from components.contracts.findings import TrainFindings
from components.runtime.step import Context, Step, main, one_line
from components.runtime.store import open_store
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


def export(argv: list[str]) -> int:
    """`export --store URI --key KEY --format FORMAT --output FOLDER`: no step, so no run and no preset."""
    parser = argparse.ArgumentParser(prog="python -m components.training export")
    parser.add_argument("--store", required=True, help="folder or URI of the store")
    parser.add_argument("--key", required=True, help="of the model artifact in it")
    parser.add_argument("--format", required=True, choices=("h5", "joblib"))
    parser.add_argument("--output", required=True, type=Path, help="folder for the file")
    arguments = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="emotion-export-") as scratch:
            model = open_store(arguments.store).get_tree(arguments.key, MARKERS["model"], Path(scratch) / "model")
            import_keras(Path(scratch) / "keras")
            from components.training import interchange

            print(f"wrote {interchange.write(model, arguments.format, arguments.output)}")
    except (EmotionError, OSError) as error:
        print(f"export failed: {one_line(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, EmotionError) else EnvironmentProblem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(export(sys.argv[2:]) if sys.argv[1:2] == ["export"] else main("training", STEPS))
