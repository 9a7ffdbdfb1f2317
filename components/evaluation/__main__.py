"""Steps evaluate and gate, and the commands plan and replay."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from components.shared.errors import EmotionError
from components.shared.findings import EvaluateFindings, Verdict
from components.shared.preset import GatePolicy
from components.shared.serialization import from_json
from components.shared.step.frame import Context, Step, main
from components.shared.store.interface import open_store


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan", required=True, help="digest of the night plan, which names champion and anchor"
    )
    parser.add_argument(
        "--examples",
        required=True,
        type=Path,
        help="examples artifact with the validation and test rows",
    )
    parser.add_argument(
        "--model", required=True, type=Path, help="model artifact of the challenger"
    )
    parser.add_argument(
        "--evaluation", required=True, type=Path, help="folder for the evaluation artifact"
    )
    parser.add_argument("--metrics", type=Path, help="file for scalar metrics as JSON")
    parser.add_argument(
        "--confusion-matrix", type=Path, help="file for the challenger's confusion matrix as JSON"
    )


def _gate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan", required=True, help="digest of the night plan, which names champion and anchor"
    )
    parser.add_argument("--evaluation", required=True, type=Path, help="evaluation artifact")
    parser.add_argument("--serving-check", required=True, type=Path, help="serving_check artifact")
    parser.add_argument(
        "--word-output",
        required=True,
        type=Path,
        help="file for the word: blessed, rejected or needs-approval",
    )
    parser.add_argument(
        "--verdict", required=True, type=Path, help="folder for the verdict artifact"
    )
    parser.add_argument(
        "--verdict-summary",
        required=True,
        type=Path,
        help="Markdown file for people: the word and every check",
    )


def _evaluate(context: Context, arguments: argparse.Namespace) -> EvaluateFindings:
    from components.evaluation.evaluate import (
        evaluate,
    )  # scikit-learn and the runtime take seconds to import; the gate needs neither

    return evaluate(context, arguments)


def _gate(context: Context, arguments: argparse.Namespace) -> Verdict:
    from components.evaluation.gate.step import gate

    return gate(context, arguments)


def _plan(argv: Sequence[str]) -> int:
    from components.evaluation.gate.margins import plan

    parser = argparse.ArgumentParser(
        prog="python -m components.evaluation plan",
        description="Which margins so many test rows resolve.",
    )
    parser.add_argument("--policy", required=True, help="gate policy as JSON")
    parser.add_argument("--rows", required=True, type=int, help="test rows")
    arguments = parser.parse_args(argv)
    print(*plan(from_json(GatePolicy, arguments.policy, "gate policy"), arguments.rows), sep="\n")
    return 0


def _replay(argv: Sequence[str]) -> int:
    from components.evaluation.gate.replay import replay, table

    parser = argparse.ArgumentParser(
        prog="python -m components.evaluation replay", description="Judge every past run again."
    )
    parser.add_argument("--store", required=True, help="folder or URI of the store")
    parser.add_argument(
        "--changes",
        default="{}",
        help="fields of the gate policy to be other than each run's own, as JSON",
    )
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="emotion-replay-") as cache:
        print(
            *table(
                list(
                    replay(open_store(arguments.store), json.loads(arguments.changes), Path(cache))
                )
            ),
            sep="\n",
        )
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"plan": _plan, "replay": _replay}
STEPS = {
    "evaluate": Step(
        "Score challenger, champion and anchor on the same rows.", _evaluate_arguments, _evaluate
    ),
    "gate": Step(
        "Judge the challenger: blessed, rejected or needs-approval.", _gate_arguments, _gate
    ),
}


def run(argv: Sequence[str]) -> int:
    """Run a command or a step, and return the process's exit code."""
    if not argv or argv[0] not in COMMANDS:
        return main("evaluation", STEPS, argv)
    try:
        return COMMANDS[argv[0]](argv[1:])
    except EmotionError as error:
        print(f"{argv[0]} failed: {error}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
