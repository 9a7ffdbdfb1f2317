"""summary.json and the pointer to the last judged night: plain values for other programs."""

from __future__ import annotations

from typing import Any

from components.reporting.cost import Cost, as_summary
from components.reporting.evidence import Night
from components.reporting.outcome import Outcome
from components.shared.findings import Scores
from components.shared.preset import Preset
from components.shared.records import JudgedRun


def summarize(
    night: Night, outcome: Outcome, preset: Preset | None, report: str, cost: Cost
) -> dict[str, Any]:
    """Return the summary of a night.

    Args:
        preset: of the run; None where resolve stored none. report: location of the page in the
            store.
        cost: of all steps but the report.
    """
    plan = night.resolve.plan if night.resolve else None
    ingest, evaluate, gate = night.ingest, night.evaluate, night.gate
    compared = gate.champion if gate else plan.champion.version if plan and plan.champion else None
    return {
        "run_id": night.run_id,
        "preset": preset.name if preset else "unknown",
        "model_name": preset.model_name if preset else "unknown",
        "outcome": outcome.word,
        "headline": outcome.headline,
        "verdict": gate.word if gate else None,
        "reasons": [] if outcome.error else list(outcome.reasons),
        "error": outcome.error or None,
        "failed_step": outcome.failed_step or None,
        "work": plan.work if plan else None,
        "work_reason": plan.reason if plan else None,
        "snapshot_id": ingest.snapshot_id if ingest else plan.accepted_snapshot if plan else None,
        "code_version": plan.code_version if plan else None,
        "source": plan.listing.uri if plan else None,
        "counts": {
            key: getattr(ingest, key) for key in ("read", "accepted", "rejected", "left_out")
        }
        if ingest
        else None,
        "metrics": {
            "challenger": _metrics(evaluate.challenger) if evaluate else None,
            "champion": _metrics(evaluate.champion) if evaluate and evaluate.champion else None,
        },
        "model_version": gate.challenger
        if gate
        else evaluate.challenger.version
        if evaluate
        else None,
        "champion_version": compared,
        "serving_version": night.deploy.champion.version
        if night.deploy and night.deploy.champion
        else compared,
        "steps": [
            {
                "name": step.name,
                "seconds": step.seconds,
                "cached": step.cached,
                "status": step.status,
                "peak_memory_bytes": step.peak_memory_bytes,
            }
            for step in night.steps
            if step.status != "skipped"
        ],
        "cost": as_summary(cost),
        "report": report,
        "finished_at": night.finished_at,
    }


def judged_run(night: Night, outcome: Outcome) -> JudgedRun | None:
    """Return what the next resolve compares with, or None where nothing was judged."""
    if night.resolve is None or outcome.word in ("failed", "nothing-new"):
        return None
    plan = night.resolve.plan
    return JudgedRun(
        fingerprint=plan.fingerprint,
        run_id=night.run_id,
        outcome=outcome.word,
        listing_digest=plan.listing.digest,
        preset_digest=plan.preset_digest,
        code_version=plan.code_version,
        objects=plan.listing.objects,
        at=night.finished_at,
    )


def _metrics(scores: Scores) -> dict[str, Any]:
    return {
        "version": scores.version,
        "rows": scores.rows,
        "accuracy": scores.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "macro_f1": scores.macro_f1,
        "majority_share": scores.majority_share,
    }
