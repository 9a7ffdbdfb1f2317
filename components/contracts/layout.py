"""Where everything stands in the store: keys are slash-separated and relative to its root.

snapshots/<source_id>/<snapshot_id>/...     immutable examples artifact and its statistics
snapshots/<source_id>/accepted              pointer to the last accepted snapshot
models/<model_name>/versions/<version>/...  immutable model artifacts
models/<model_name>/{champion,anchor,previous,last-night}
checkpoints/<key>/...                       survives retries and preemption
plans/<digest>.json                         night plans
runs/<run_id>/evidence/<step>.json          what each step found
runs/<run_id>/{report.html,summary.json,...}
"""

from __future__ import annotations

STEPS = ("resolve", "ingest", "validate", "resample", "train", "evaluate", "check-serving", "gate", "deploy", "report")


def snapshot(source_id: str, snapshot_id: str) -> str:
    return f"snapshots/{source_id}/{snapshot_id}"


def accepted_snapshot(source_id: str) -> str:
    return f"snapshots/{source_id}/accepted"


def versions(model_name: str) -> str:
    return f"models/{model_name}/versions"


def version(model_name: str, version_id: str) -> str:
    return f"models/{model_name}/versions/{version_id}"


def pointer(model_name: str, name: str) -> str:
    """Key of `champion`, `anchor`, `previous` or `last-night`."""
    return f"models/{model_name}/{name}"


def checkpoint(key: str) -> str:
    return f"checkpoints/{key}"


def plan(plan_digest: str) -> str:
    return f"plans/{plan_digest}.json"


def run(run_id: str) -> str:
    return f"runs/{run_id}"


def evidence(run_id: str, step: str) -> str:
    return f"runs/{run_id}/evidence/{step}.json"
