"""Commands evaluate and gate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.contracts import artifacts
from components.contracts.artifacts import read_marker, write_atomically
from components.contracts.findings import EvaluateFindings, ServingFindings, Verdict
from components.inference.versions import night_plan
from components.runtime.step import Context, Step, main


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, help="digest of the night plan, which names champion and anchor")
    parser.add_argument("--examples", required=True, type=Path, help="examples artifact with the test rows")
    parser.add_argument("--model", required=True, type=Path, help="model artifact of the challenger")
    parser.add_argument("--evaluation", required=True, type=Path, help="folder for the evaluation artifact")
    parser.add_argument("--metrics", type=Path, help="file for scalar metrics as JSON")
    parser.add_argument("--confusion-matrix", type=Path, help="file for the challenger's confusion matrix as JSON")


def _gate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, help="digest of the night plan, which names champion and anchor")
    parser.add_argument("--evaluation", required=True, type=Path, help="evaluation artifact")
    parser.add_argument("--serving-check", required=True, type=Path, help="serving_check artifact")
    parser.add_argument("--word-output", required=True, type=Path, help="file for the word: blessed, rejected or needs-approval")
    parser.add_argument("--verdict", required=True, type=Path, help="folder for the verdict artifact")


def _evaluate(context: Context, arguments: argparse.Namespace) -> EvaluateFindings:
    from components.evaluation.evaluate import evaluate  # scikit-learn and the runtime take seconds to import; the gate needs neither

    return evaluate(context, arguments)


def _gate(context: Context, arguments: argparse.Namespace) -> Verdict:
    from components.evaluation.gate import judge

    plan = night_plan(context.store, arguments.plan)
    evaluation = read_marker(arguments.evaluation, "evaluation", EvaluateFindings)
    serving = read_marker(arguments.serving_check, "serving_check", ServingFindings)
    folder = artifacts.start(arguments.verdict)
    verdict = judge(evaluation, serving, context.preset.gate, model_name=context.preset.model_name, plan=plan)
    artifacts.finish(folder, "verdict", verdict)
    write_atomically(arguments.word_output, verdict.word.encode())
    print(f"{verdict.word}: {' '.join(verdict.reasons)}", flush=True)
    return verdict


STEPS = {
    "evaluate": Step("Score challenger, champion and anchor on the same test rows.", _evaluate_arguments, _evaluate),
    "gate": Step("Judge the challenger: blessed, rejected or needs-approval.", _gate_arguments, _gate),
}

if __name__ == "__main__":
    sys.exit(main("evaluation", STEPS))
