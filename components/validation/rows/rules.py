"""Judge rows with Great Expectations.

No project folder, no usage analytics, nothing sent anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from components.shared.artifacts.contract import Snapshot, write_atomically
from components.shared.findings import Rule
from components.shared.preset import Preset
from components.shared.preset.validation import Severity
from components.shared.text import shortened
from components.validation.rows import tables
from components.validation.rows.data_docs import Documented, page
from components.validation.rows.expectations import Result, RowRule, row_rules
from components.validation.rows.tables import Tables

# The column by which a reader knows a row of a table.
NAMED_BY = {
    "classes": "label",
    "measures": "measure",
    "test_groups": "group_id",
    "held_out_groups": "group_id",
    "contents": "content_id",
}
NAMED_AT_MOST = 5


def judge_artifact(
    examples: Path, snapshot: Snapshot, preset: Preset, data_docs: Path
) -> tuple[Rule, ...]:
    """Read an examples artifact without its images and judge its rows.

    Raises:
        ContractError: the artifact is torn.
    """
    rows = tables.read(examples, snapshot, tables.COLUMNS)
    rows["soft_label_faults"] = tables.read_soft_label_faults(examples, snapshot)
    judged = tables.derive(rows, tables.describe_columns(examples, snapshot), snapshot, preset)
    del rows  # of a million rows the ids alone hold 500 MB
    return judge(
        judged, preset, sum(sum(counts.values()) for counts in snapshot.counts.values()), data_docs
    )


def judge(
    judged: Tables, preset: Preset, marked_rows: int, data_docs: Path | None = None
) -> tuple[Rule, ...]:
    """Judge every row rule, in order.

    With ``data_docs``, also write Great Expectations' own account of them there.
    """
    rules = row_rules(preset, marked_rows)
    context = _context()
    source = context.data_sources.add_pandas("artifact")
    results: dict[str, Any] = {}
    for table in dict.fromkeys(rule.table for rule in rules):
        mine = [rule for rule in rules if rule.table == table]
        for rule in mine:
            rule.expectation.meta = {"rule": rule.name}
            rule.expectation.severity = severity(rule.name, preset)
        suite = context.suites.add(
            gx.ExpectationSuite(table, expectations=[rule.expectation for rule in mine])
        )
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("rows")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=table, data=batch, suite=suite)
        )
        outcome = definition.run(
            batch_parameters={"dataframe": getattr(judged, table)},
            result_format=_result_format(table),
        )
        results.update(
            {result.expectation_config.meta["rule"]: result for result in outcome.results}
        )
    if data_docs is not None:
        documented = [
            Documented(rule.name, severity(rule.name, preset), rule.table, results[rule.name])
            for rule in rules
        ]
        write_atomically(data_docs, page(documented).encode())
    return tuple(_rule(rule, severity(rule.name, preset), results[rule.name]) for rule in rules)


def severity(rule: str, preset: Preset) -> Severity:
    """Return what a failure counts for.

    Copies of test rows that the preset itself keeps in training are told, no more.
    """
    kept = (
        rule == "split leakage"
        and preset.data.test_twins == "keep"
        and rule not in preset.validation.severities
    )
    return "info" if kept else preset.validation.severity(rule)


def _context() -> Any:
    configuration = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=configuration)


def _result_format(table: str) -> dict[str, Any]:
    named = {"unexpected_index_column_names": [NAMED_BY[table]]} if table in NAMED_BY else {}
    return {"result_format": "SUMMARY", "partial_unexpected_count": 20, **named}


def _rule(rule: RowRule, counts_for: Severity, outcome: Any) -> Rule:
    if not outcome.result:  # Great Expectations could not compute it: a column that isn't there, a text where a number should be
        sentence = f"The rule {rule.name} can't be judged: {_reason(outcome.exception_info)}."
        return Rule(
            rule.name, "great-expectations", counts_for, False, "unknown", rule.bound, sentence
        )
    result = dict(outcome.result)
    value = rule.value(result)
    names = (rule.culprits or _culprits)(result)
    if outcome.success:
        sentence = rule.holds.format(value=value)
    else:
        sentence = rule.breaks.format(
            value=value,
            culprits=", ".join(names[:NAMED_AT_MOST])
            + (", ..." if len(names) > NAMED_AT_MOST else ""),
        )
    return Rule(
        rule.name,
        "great-expectations",
        counts_for,
        bool(outcome.success),
        value,
        rule.bound,
        sentence,
    )


def _culprits(result: Result) -> list[str]:
    """Names of the rows that break a rule, where their table has names.

    Else their values, each once.
    """
    rows = [row for row in result.get("partial_unexpected_index_list", []) if isinstance(row, dict)]
    if rows:
        return [
            str(value)[:40]
            for row in rows
            for key, value in row.items()
            if key in NAMED_BY.values()
        ]
    return [str(value)[:40] for value in dict.fromkeys(result.get("partial_unexpected_list", []))]


def _reason(exception_info: dict[str, Any]) -> str:
    nested = [
        value["exception_message"] for value in exception_info.values() if isinstance(value, dict)
    ]
    words = nested[0] if nested else str(exception_info.get("exception_message", "no reason given"))
    return shortened(words, 200).rstrip(".")
