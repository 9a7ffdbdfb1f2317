"""The command line of validate."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

from components.shared.artifacts import contract
from components.shared.artifacts.contract import Snapshot, write_atomically
from components.shared.errors import EmotionError
from components.shared.findings import ValidateFindings
from components.shared.inference.versions import night_plan, version_folder
from components.shared.preset import Preset
from components.shared.records import AcceptedSnapshot, read_record
from components.shared.run_plan import NightPlan
from components.shared.serialization import from_json, to_pretty_json
from components.shared.step.executor_output import ExecutorOutput, write_document
from components.shared.step.frame import Context, Step, main
from components.shared.step.progress import show
from components.shared.store import keys
from components.shared.store.interface import Store
from components.validation.data_summary import data_summary
from components.validation.distributions import serving_drift
from components.validation.judge_process import DATA_DOCS, DOUBTFUL_LABELS, Judge, judge_in_process
from components.validation.rows import tables
from components.validation.verdict import (
    ENOUGH_ROWS,
    class_drift_rule,
    curated_schema_rule,
    decide,
    drift_rules,
    no_comparison_rule,
    schema_rule,
    skew_rules,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what validate takes."""
    parser.add_argument("--plan", required=True, help="digest of the night's plan in the store")
    parser.add_argument("--examples", type=Path, required=True, help="the examples artifact")
    parser.add_argument(
        "--decision-output", type=Path, required=True, help="file for the word: go or stop"
    )
    parser.add_argument(
        "--validation",
        type=Path,
        required=True,
        help="where statistics, schema, anomalies and pages go",
    )
    parser.add_argument(
        "--data-summary",
        type=Path,
        required=True,
        help="Markdown file for people: decision, counts, rules that failed",
    )


def validate(
    context: Context, arguments: argparse.Namespace, judge: Judge = judge_in_process
) -> ValidateFindings:
    """Judge the examples.

    On go, remember them as the snapshot that later nights are compared with.
    """
    preset, store, labels = context.preset, context.store, context.preset.data.labels
    plan = night_plan(store, arguments.plan)
    snapshot = contract.read_marker(arguments.examples, "examples", Snapshot)
    folder = contract.start(arguments.validation)
    champion = (
        version_folder(
            store, preset.model_name, plan.champion.version, context.scratch / "champion"
        )
        if plan.champion
        else None
    )
    with judge(arguments.examples, preset, champion, folder, context.scratch) as judged:
        show(0, 2, "judges", "reading distributions, rows and labels")
        distributions, schemas = _import_quietly("statistics"), _import_quietly("schema")
        examples = tables.read(arguments.examples, snapshot, distributions.COLUMNS)
        reject_reasons = tables.read_reject_reasons(arguments.examples)
        statistics = distributions.describe(examples, labels)
        schema, curated = schemas.schema_of(preset)
        earlier = _earlier_statistics(store, plan, distributions)
        found = distributions.compare(statistics, schema, earlier)
        show(1, 2, "judges", "distributions")
        rows = judged()
        show(2, 2, "judges", "rows and labels")

    rules = [
        *rows.rules,
        schema_rule(found.mismatches, preset.validation),
        curated_schema_rule(preset, curated),
    ]
    train, test = (
        distributions.rows_of(statistics, "train"),
        distributions.rows_of(statistics, "test"),
    )
    if earlier is None or plan.accepted_snapshot is None:
        rules.append(no_comparison_rule(plan.accepted_snapshot, preset.validation))
    else:
        fewer = min(train, distributions.rows_of(earlier, "train"))
        rules.extend(drift_rules(found.drift, preset.validation, fewer, plan.accepted_snapshot))
        within = distributions.class_drift(statistics, earlier, schema, labels, ENOUGH_ROWS)
        rules.append(class_drift_rule(within, preset.validation, plan.accepted_snapshot))
    rules.extend(skew_rules(found.skew, preset.validation, min(train, test)))
    findings = ValidateFindings(
        decision=decide(rules),
        snapshot_id=snapshot.snapshot_id,
        rules=tuple(rules),
        compared_with=plan.accepted_snapshot if earlier is not None else None,
        drift=found.drift,
        skew=found.skew,
        slices=distributions.slices(statistics, labels),
        label_noise=rows.label_noise,
        data_docs=DATA_DOCS,
    )
    serialized = distributions.to_bytes(statistics)
    write_atomically(folder / "statistics.pb", serialized)
    write_atomically(folder / "schema.pbtxt", distributions.to_text(schema))
    write_atomically(folder / "anomalies.pbtxt", distributions.to_text(found.anomalies))
    _keep(store, keys.run(context.run_id), folder)
    if findings.decision == "go":
        _accept(store, plan.listing.source_id, snapshot.snapshot_id, context.run_id, serialized)
    contract.finish(folder, "validation", findings)
    write_atomically(arguments.decision_output, findings.decision.encode())
    write_document(
        arguments.data_summary, data_summary(findings, snapshot, reject_reasons).encode()
    )
    _publish(context.executor_output, findings, snapshot)
    _tell(findings)
    return findings


def _import_quietly(name: str) -> ModuleType:
    """Import a module that needs TensorFlow Data Validation (about 8 s the first time) without TensorFlow's notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        return importlib.import_module(f"components.validation.distributions.{name}")


def _earlier_statistics(store: Store, plan: NightPlan, distributions: ModuleType) -> object | None:
    if plan.accepted_snapshot is None:
        return None
    key = _statistics_key(plan.listing.source_id, plan.accepted_snapshot)
    content = store.read(key)
    return None if content is None else distributions.from_bytes(content, store.location(key))


def _keep(store: Store, run: str, folder: Path) -> None:
    """Keep the page and the doubtful labels beyond the run's own artifacts.

    A second time writes the same names again.
    """
    for name in (DATA_DOCS, DOUBTFUL_LABELS):
        if (folder / name).is_file():
            store.write(f"{run}/{name}", (folder / name).read_bytes())


def _accept(store: Store, source_id: str, snapshot_id: str, run_id: str, statistics: bytes) -> None:
    """Statistics first, then the pointer to them; a second time changes nothing."""
    key = _statistics_key(source_id, snapshot_id)
    if store.read(key) != statistics:
        store.write(key, statistics)
    pointer = keys.accepted_snapshot(source_id)
    current = read_record(AcceptedSnapshot, store.read(pointer), pointer)
    if current is None or current.snapshot_id != snapshot_id:
        store.write(pointer, to_pretty_json(AcceptedSnapshot(snapshot_id, run_id)).encode())


def _publish(output: ExecutorOutput, findings: ValidateFindings, snapshot: Snapshot) -> None:
    """Write what Kubeflow Pipelines shows of the judgement and compares between runs."""
    rows = {
        f"{split} rows": sum(snapshot.counts.get(split, {}).values())
        for split in tables.USED_SPLITS
    }
    failed = {
        "rules": len(findings.rules),
        "failed rules": sum(not rule.passed for rule in findings.rules),
    }
    read = {
        "snapshot id": findings.snapshot_id,
        "images read": snapshot.read,
        "images rejected": snapshot.rejected,
    }
    output.metadata("validation", decision=findings.decision, **failed, **rows, **read)


def _tell(findings: ValidateFindings) -> None:
    failed = [rule for rule in findings.rules if not rule.passed]
    print(
        f"{findings.decision}: {len(findings.rules) - len(failed)} of {len(findings.rules)} rules"
        " hold"
    )
    for rule in failed:
        print(f"  {rule.severity}: {rule.name}: {rule.value}, {rule.bound}: {rule.sentence}")


def _statistics_key(source_id: str, snapshot_id: str) -> str:
    return f"{keys.snapshot(source_id, snapshot_id)}/statistics.pb"


def propose_schema(argv: Sequence[str]) -> int:
    """Write the schema that a snapshot's statistics suggest for a preset.

    What stands in the repository isn't touched.
    """
    parser = argparse.ArgumentParser(
        prog="python -m components.validation propose-schema", description=propose_schema.__doc__
    )
    parser.add_argument("--preset", type=Path, required=True, help="file with the preset as JSON")
    parser.add_argument(
        "--statistics", type=Path, required=True, help="statistics.pb of a snapshot"
    )
    parser.add_argument("--schemas", type=Path, required=True, help="folder of curated schemas")
    parser.add_argument("--output", type=Path, required=True, help="file for the proposed schema")
    arguments = parser.parse_args(argv)
    preset = from_json(Preset, arguments.preset.read_bytes(), "preset")
    distributions, schemas = _import_quietly("statistics"), _import_quietly("schema")
    try:
        statistics = distributions.from_bytes(
            arguments.statistics.read_bytes(), str(arguments.statistics)
        )
        proposed = schemas.proposed(preset, statistics, arguments.schemas)
    except EmotionError as error:
        print(f"propose-schema failed: {error}", file=sys.stderr)
        return error.exit_code
    write_atomically(arguments.output, distributions.to_text(proposed))
    return 0


def drift(argv: Sequence[str]) -> int:
    """Compare what was served with what was trained on.

    See `components.validation.distributions.serving_drift`.
    """
    try:
        return serving_drift.main(argv, _import_quietly, datetime.now(timezone.utc))
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


COMMANDS = {"propose-schema": propose_schema, "drift": drift}
STEPS = {
    "validate": Step(
        "Judge the examples: go or stop. The step itself succeeds either way.",
        add_arguments,
        validate,
    )
}

if __name__ == "__main__":
    command = COMMANDS.get("".join(sys.argv[1:2]))
    sys.exit(command(sys.argv[2:]) if command else main("validation", STEPS))
