"""What validate says of the data, as one short Markdown document. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from components.shared.artifacts.contract import SPLITS, Snapshot
from components.shared.findings import ValidateFindings
from components.shared.step.markdown import bullets, document, escaped, table


def data_summary(
    findings: ValidateFindings, snapshot: Snapshot, reject_reasons: Mapping[str, int]
) -> str:
    """Return the decision and its reasons, the rows by label and split, what was rejected, and the rules that failed.

    Args:
        reject_reasons: rejected images by reason.
    """
    failed = [rule for rule in findings.rules if not rule.passed]
    critical = [f"{rule.name}: {rule.sentence}" for rule in failed if rule.severity == "critical"]
    compared = (
        f"compared with the accepted snapshot {findings.compared_with[:12]}"
        if findings.compared_with
        else "compared with no earlier one"
    )
    held = f"{len(findings.rules) - len(failed)} of {len(findings.rules)} rules hold"
    accepted = snapshot.read - snapshot.rejected
    return document(
        f"Data summary: {findings.decision}",
        f"{held}; {'these stop the run' if critical else 'no critical rule failed'}.",
        bullets(critical),
        f"Snapshot {escaped(findings.snapshot_id[:12])}, {compared}.",
        "## Rows by label and split",
        _rows(snapshot),
        "## Images",
        f"{snapshot.read:,} read, {accepted:,} accepted, {snapshot.rejected:,} rejected.",
        (
            table(("reason for rejecting", "images"), _counted(reject_reasons))
            if reject_reasons
            else ""
        ),
        "## Rules that failed" if failed else "",
        (
            table(
                ("severity", "rule", "value", "bound", "reason"),
                (
                    (rule.severity, rule.name, rule.value, rule.bound, rule.sentence)
                    for rule in failed
                ),
            )
            if failed
            else ""
        ),
    )


def _rows(snapshot: Snapshot) -> str:
    splits = [split for split in SPLITS if snapshot.counts.get(split)]
    lines = [
        (label, *(f"{snapshot.counts[split].get(label, 0):,}" for split in splits))
        for label in snapshot.labels
    ]
    total = ("all labels", *(f"{sum(snapshot.counts[split].values()):,}" for split in splits))
    return table(("label", *splits), [total, *lines])


def _counted(reasons: Mapping[str, int]) -> list[tuple[str, str]]:
    return [
        (reason, f"{count:,}")
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
