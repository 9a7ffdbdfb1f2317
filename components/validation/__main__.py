"""The command line of validate."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

from components.contracts import artifacts, layout
from components.contracts.artifacts import Snapshot, write_atomically
from components.contracts.codec import from_json, to_pretty_json
from components.contracts.errors import ContractError
from components.contracts.findings import ValidateFindings
from components.contracts.night import NightPlan
from components.runtime.progress import show
from components.runtime.step import Context, Step, main
from components.runtime.store import Store
from components.validation import tables
from components.validation.row_process import JudgeRows, judge_in_process
from components.validation.verdict import decide, drift_rules, no_comparison_rule, schema_rule, skew_rules


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plan", required=True, help="digest of the night's plan in the store")
    parser.add_argument("--examples", type=Path, required=True, help="the examples artifact")
    parser.add_argument("--decision-output", type=Path, required=True, help="file for the word: go or stop")
    parser.add_argument("--validation", type=Path, required=True, help="where statistics, schema, anomalies and pages go")


def validate(context: Context, arguments: argparse.Namespace, judge_rows: JudgeRows = judge_in_process) -> ValidateFindings:
    """Judge the examples; on go, remember them as the snapshot that later nights are compared with."""
    preset, store = context.preset, context.store
    plan = _plan(store, arguments.plan)
    snapshot = artifacts.read_marker(arguments.examples, "examples", Snapshot)
    examples, _ = tables.read(arguments.examples, snapshot)
    folder = artifacts.start(arguments.validation)
    with judge_rows(arguments.examples, preset, folder / "data_docs", context.scratch) as row_rules:
        show(0, 2, "judges", "reading distributions and rows")
        distributions = _distributions()
        statistics = distributions.describe(examples, preset.data.labels)
        schema = distributions.schema_of(preset)
        earlier = _earlier_statistics(store, plan, distributions)
        found = distributions.compare(statistics, schema, earlier)
        show(1, 2, "judges", "distributions")
        rules = list(row_rules())
        show(2, 2, "judges", "rows")

    train, test = distributions.rows_of(statistics, "train"), distributions.rows_of(statistics, "test")
    rules.append(schema_rule(found.mismatches))
    if earlier is None or plan.accepted_snapshot is None:
        rules.append(no_comparison_rule(plan.accepted_snapshot))
    else:
        rows = min(train, distributions.rows_of(earlier, "train"))
        rules.extend(drift_rules(found.drift, preset.validation, rows, plan.accepted_snapshot))
    rules.extend(skew_rules(found.skew, preset.validation, min(train, test)))
    compared_with = plan.accepted_snapshot if earlier is not None else None
    findings = ValidateFindings(decide(rules), snapshot.snapshot_id, tuple(rules), compared_with, found.drift, found.skew)

    serialized = distributions.to_bytes(statistics)
    write_atomically(folder / "statistics.pb", serialized)
    write_atomically(folder / "schema.pbtxt", distributions.to_text(schema))
    write_atomically(folder / "anomalies.pbtxt", distributions.to_text(found.anomalies))
    if findings.decision == "go":
        _accept(store, plan.listing.source_id, snapshot.snapshot_id, context.run_id, serialized)
    artifacts.finish(folder, "validation", findings)
    write_atomically(arguments.decision_output, findings.decision.encode())
    context.executor_output.metadata(
        "validation", decision=findings.decision, rules=len(rules), failed=sum(not rule.passed for rule in rules)
    )
    _tell(findings)
    return findings


def _plan(store: Store, digest: str) -> NightPlan:
    content = store.read(layout.plan(digest))
    if content is None:
        raise ContractError(
            f"the night's plan {digest[:12]} is not in the store", expected=store.location(layout.plan(digest)), fix="run resolve again"
        )
    return from_json(NightPlan, content, "the night's plan")


def _distributions() -> ModuleType:
    """Import TensorFlow Data Validation (about 8 s) without TensorFlow's notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from components.validation import distributions
    return distributions


def _earlier_statistics(store: Store, plan: NightPlan, distributions: ModuleType) -> object | None:
    if plan.accepted_snapshot is None:
        return None
    key = _statistics_key(plan.listing.source_id, plan.accepted_snapshot)
    content = store.read(key)
    return None if content is None else distributions.from_bytes(content, store.location(key))


def _accept(store: Store, source_id: str, snapshot_id: str, run_id: str, statistics: bytes) -> None:
    """Statistics first, then the pointer to them; a second time changes nothing."""
    key = _statistics_key(source_id, snapshot_id)
    if store.read(key) != statistics:
        store.write(key, statistics)
    pointer = layout.accepted_snapshot(source_id)
    current = store.read(pointer)
    accepted = {"snapshot_id": snapshot_id, "run_id": run_id}
    if current is None or from_json(dict[str, str], current, pointer).get("snapshot_id") != snapshot_id:
        store.write(pointer, to_pretty_json(accepted).encode())


def _tell(findings: ValidateFindings) -> None:
    failed = [rule for rule in findings.rules if not rule.passed]
    print(f"{findings.decision}: {len(findings.rules) - len(failed)} of {len(findings.rules)} rules hold")
    for rule in failed:
        print(f"  {rule.severity}: {rule.sentence}")


def _statistics_key(source_id: str, snapshot_id: str) -> str:
    return f"{layout.snapshot(source_id, snapshot_id)}/statistics.pb"


STEPS = {"validate": Step("Judge the examples: go or stop. The step itself succeeds either way.", add_arguments, validate)}

if __name__ == "__main__":
    sys.exit(main("validation", STEPS))
