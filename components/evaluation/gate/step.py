"""The gate step: what evaluate and the serving check left in, the verdict out."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from components.evaluation.gate import archive, ledger
from components.evaluation.gate.archive import Kept
from components.evaluation.gate.decide import decide
from components.evaluation.gate.summary import verdict_summary
from components.evaluation.scoring import tables
from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, read_marker, write_atomically
from components.shared.errors import ContractError
from components.shared.findings import EvaluateFindings, ServingFindings, Verdict
from components.shared.inference.versions import night_plan
from components.shared.run_plan import NightPlan
from components.shared.step.executor_output import ExecutorOutput, write_document
from components.shared.step.frame import Context


def gate(context: Context, arguments: argparse.Namespace) -> Verdict:
    """Judge the challenger, write down its look at the test rows, and keep what was judged.

    Raises:
        ContractError: the findings are about different models or champions, or a table is damaged.
    """
    plan = night_plan(context.store, arguments.plan)
    evaluation = read_marker(arguments.evaluation, "evaluation", EvaluateFindings)
    serving = read_marker(arguments.serving_check, "serving_check", ServingFindings)
    require_same_case(evaluation, serving, plan)
    case = archive.case_of(arguments.evaluation, _case(context, evaluation, serving))
    if case.test is not None:
        look = ledger.record(
            context.store,
            context.preset.model_name,
            _look(context, arguments.evaluation, evaluation),
        )
        case = replace(case, look=look.number, test_set=look.test_set)
    verdict = decide(case)
    judged = replace(
        _case(context, evaluation, serving),
        look=case.look if case.test else 0,
        test_set=case.test_set,
    )
    archive.keep(context.store, context.run_id, arguments.evaluation, judged, context.scratch)
    folder = contract.start(arguments.verdict)
    contract.finish(folder, "verdict", verdict)
    write_document(arguments.verdict_summary, verdict_summary(verdict).encode())
    _publish(context.executor_output, verdict)
    write_atomically(arguments.word_output, verdict.word.encode())
    print(f"{verdict.word}: {' '.join(verdict.reasons)}", flush=True)
    return verdict


def _publish(output: ExecutorOutput, verdict: Verdict) -> None:
    """Write what Kubeflow Pipelines shows of the verdict and compares between runs."""
    outcomes = [check.outcome for check in verdict.checks]
    output.metadata(
        "verdict",
        verdict=verdict.word,
        challenger=verdict.challenger,
        champion=verdict.champion,
        anchor=verdict.anchor,
        checks=len(outcomes),
        **{
            "failed checks": outcomes.count("fail"),
            "looks at the test rows": verdict.looks and verdict.looks.number,
        },
    )


def require_same_case(
    evaluation: EvaluateFindings, serving: ServingFindings, plan: NightPlan
) -> None:
    """Refuse findings about different things. Raises ContractError."""
    _require(
        "served and evaluated challenger", evaluation.challenger.version, serving.challenger.version
    )
    for who, planned, other in (
        ("champion", plan.champion, evaluation.champion),
        ("anchor", plan.anchor, evaluation.anchor),
    ):
        _require(
            f"evaluated {who} and that of the night plan",
            planned and planned.version,
            other and other.version,
        )


def _case(context: Context, evaluation: EvaluateFindings, serving: ServingFindings) -> Kept:
    scored = {
        "challenger": evaluation.challenger,
        "champion": evaluation.champion,
        "anchor": evaluation.anchor,
    }
    versions = {role: scores.version for role, scores in scored.items() if scores}
    return Kept(
        LAYOUT_VERSION,
        context.preset.model_name,
        evaluation.labels,
        versions,
        serving,
        context.preset.gate,
        0,
        "",
    )


def _look(context: Context, folder: Path, evaluation: EvaluateFindings) -> ledger.Look:
    test_set, contents = tables.test_contents(folder)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return ledger.Look(
        0,
        evaluation.challenger.version,
        context.run_id,
        now,
        test_set,
        len(contents),
        ledger.sketch(contents),
    )


def _require(what: str, expected: object, received: object) -> None:
    if expected != received:
        raise ContractError(
            f"{what} aren't the same",
            expected=str(expected),
            received=str(received),
            fix="run evaluate and check-serving of the same run again",
        )
