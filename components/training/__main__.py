"""The commands of training.

The step train, and the tools sweep and export, which no pipeline runs.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from components.shared.artifacts.contract import MARKERS, write_atomically
from components.shared.errors import EmotionError, EnvironmentProblem, InputError
from components.shared.findings import TrainFindings
from components.shared.preset import Preset
from components.shared.serialization import from_json, to_pretty_json
from components.shared.step.frame import (
    TERMINATED,
    Context,
    Step,
    Terminated,
    main,
    one_line,
    terminate,
)
from components.shared.store.interface import open_store
from components.training.native_logs import import_keras


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--code-version", required=True, help="digest of the code and locks that train"
    )
    parser.add_argument("--examples", type=Path, required=True, help="examples artifact")
    parser.add_argument(
        "--sampling-plan", type=Path, required=True, help="sampling plan of its training rows"
    )
    parser.add_argument("--model", type=Path, required=True, help="folder for the model artifact")
    parser.add_argument(
        "--metrics", type=Path, required=True, help="file for the scalar metrics, as JSON"
    )


def _train(context: Context, arguments: argparse.Namespace) -> TrainFindings:
    from components.training.data.inputs import read_inputs
    from components.training.fit.metrics import report_metrics
    from components.training.reuse import champion_of, take

    # Whatever is wrong with the inputs is said before Keras's seconds of import.
    inputs = read_inputs(arguments.examples, arguments.sampling_plan, context.preset)
    champion = champion_of(context) if context.preset.training.reuse_model else None
    if champion is not None:
        findings, manifest = take(champion, arguments.model, inputs, context.preset)
        print(
            f"taking the champion {manifest.version} again; a run with --force trains", flush=True
        )
        report_metrics(context, findings, manifest, arguments.metrics)
        return findings
    import_keras(context.scratch)
    from components.training.train import train

    return train(context, inputs, arguments.code_version, arguments.model, arguments.metrics)


STEPS = {"train": Step("train the challenger and export it for serving", _train_arguments, _train)}


def export(arguments: argparse.Namespace, scratch: Path) -> None:
    """Write a file of a model in the store, for other projects."""
    model = open_store(arguments.store).get_tree(arguments.key, MARKERS["model"], scratch / "model")
    import_keras(scratch / "keras")
    from components.training.export import interchange

    print(f"wrote {interchange.write(model, arguments.format, arguments.output)}")


def sweep(arguments: argparse.Namespace, scratch: Path) -> None:
    """Trainings of one preset with varied fields.

    The best preset goes to best.json in the folder.
    """
    from components.training.data.inputs import open_images, plan_columns, read_inputs
    from components.training.sweep.search_space import range_of, varied

    preset = from_json(Preset, arguments.preset.read_bytes(), "preset")
    ranges = tuple(range_of(text, preset) for text in arguments.set)
    inputs = read_inputs(arguments.examples, arguments.sampling_plan, preset)
    import_keras(scratch / "keras")
    from components.training.fit.loop import Data
    from components.training.sweep.plots import drawn
    from components.training.sweep.sweep import Sweep, table, values_of
    from components.training.sweep.sweep import sweep as run

    images, held_out = open_images(inputs, preset, scratch)
    data = Data(images, *plan_columns(inputs, images.example_ids), held_out)
    asked = Sweep(arguments.folder, preset, ranges, arguments.trials, arguments.minutes)
    trials = run(asked, inputs, data, scratch)
    if not trials or trials[0].state.name != "COMPLETE":
        raise InputError(
            "no trial was trained to its end",
            fix="run the same command again, with more --minutes or smaller learning rates",
        )
    write_atomically(arguments.folder / "sweep.png", drawn(trials, ranges))
    write_atomically(
        arguments.folder / "best.json",
        to_pretty_json(varied(preset, values_of(trials[0], ranges))).encode(),
    )
    print(table(trials, ranges))


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", required=True, help="folder or URI of the store")
    parser.add_argument("--key", required=True, help="of the model artifact in it")
    parser.add_argument("--format", required=True, choices=("h5", "joblib"))
    parser.add_argument("--output", required=True, type=Path, help="folder for the file")


def _sweep_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, type=Path, help="file with the preset as JSON")
    parser.add_argument("--examples", required=True, type=Path, help="examples artifact")
    parser.add_argument(
        "--sampling-plan", required=True, type=Path, help="sampling plan of its training rows"
    )
    parser.add_argument("--folder", required=True, type=Path, help="for the study and its results")
    parser.add_argument(
        "--set",
        required=True,
        action="append",
        metavar="FIELD=VALUES",
        help="a field to vary, and over what",
    )
    parser.add_argument("--trials", required=True, type=int)
    parser.add_argument("--minutes", required=True, type=float)


# No steps of the pipeline: no run, no evidence.
TOOLS = {"export": (_export_arguments, export), "sweep": (_sweep_arguments, sweep)}


def tool(name: str, argv: list[str]) -> int:
    """Run one of the tools; its exit code."""
    add_arguments, body = TOOLS[name]
    parser = argparse.ArgumentParser(
        prog=f"python -m components.training {name}", description=body.__doc__
    )
    add_arguments(parser)
    signal.signal(signal.SIGTERM, terminate)
    try:
        with tempfile.TemporaryDirectory(prefix=f"emotion-{name}-") as scratch:
            body(parser.parse_args(argv), Path(scratch))
    except (EmotionError, OSError, Terminated, KeyboardInterrupt) as error:
        print(f"{name} failed: {one_line(error)}", file=sys.stderr)
        if isinstance(error, EmotionError):
            return error.exit_code
        return {Terminated: TERMINATED, KeyboardInterrupt: 130}.get(
            type(error), EnvironmentProblem.exit_code
        )
    return 0


if __name__ == "__main__":
    sys.exit(
        tool(sys.argv[1], sys.argv[2:])
        if sys.argv[1:2] and sys.argv[1] in TOOLS
        else main("training", STEPS)
    )
