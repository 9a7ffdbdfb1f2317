"""Where everything stands in the store: keys are slash-separated and relative to its root.

snapshots/<source_id>/<snapshot_id>/...     immutable examples artifact and its statistics
snapshots/<source_id>/accepted              pointer to the last accepted snapshot
snapshots/<source_id>/indices/<snapshot_id>.arrow  which object every row was read from
snapshots/<source_id>/overlays/{relabels,tombstones}.csv
snapshots/<source_id>/listings/<digest>     16 bytes per object of a listing, to count what changed since
models/<model_name>/versions/<version>/...  immutable model artifacts
models/<model_name>/pointers.json           champion, previous, anchor: Pointers, in one document
models/<model_name>/serving                 Pointer to what does serve; the rollout writes it
models/<model_name>/decisions/<number>.json immutable: who decided what, and why
models/<model_name>/requests/<run_id>/<version>.json  versions that a person must decide upon
models/<model_name>/looks.json              ledger: which challengers met which test rows
models/<model_name>/last-night              the last judged night
models/<model_name>/drift.json              DriftRecord: the traffic of the champion, compared with its training data
models/<model_name>/signatures/<version>    Ed25519 signature of a version's manifest, base64
models/<model_name>/serving-images/<version>  image of the predictor that the version was checked with
models/<model_name>/cards/<version>.md      model card, beside the version that it describes
served/<model_name>/<yyyy-mm-dd>/<part>.jsonl  what was served on a day (UTC): features and probabilities, no picture
checkpoints/<key>/...                       survives retries and preemption
plans/<digest>.json                         night plans
presets/<digest>.json                       presets that runs used
runs/<run_id>/workflow                      id of the workflow that claimed the run's name, on a cluster
runs/<run_id>/preset.json                   the run's preset, as resolve stored it
runs/<run_id>/evidence/<step>.json          what each step found
runs/<run_id>/evaluation/...                evaluation artifact with serving_check.json: what the gate judged
runs/<run_id>/{report.html,summary.json,...}
runs/index.{json,html}                      one row per run; the page over all of them
prices.json                                 what an hour of a processor, a gigabyte and a GPU costs; a person writes it
"""

from __future__ import annotations


def snapshot(source_id: str, snapshot_id: str) -> str:
    """Return the key of a snapshot."""
    return f"snapshots/{source_id}/{snapshot_id}"


def snapshot_index(source_id: str, snapshot_id: str) -> str:
    """Key of what the next night needs to tell unchanged objects.

    Fingerprint and sketch of every row.
    """
    return f"snapshots/{source_id}/indices/{snapshot_id}.arrow"


def overlay(source_id: str, name: str) -> str:
    """Key of `relabels.csv` or `tombstones.csv`: what people decided about single pictures."""
    return f"snapshots/{source_id}/overlays/{name}"


def accepted_snapshot(source_id: str) -> str:
    """Return the key of the `AcceptedSnapshot` of a source."""
    return f"snapshots/{source_id}/accepted"


def listing(source_id: str, listing_digest: str) -> str:
    """Key of the objects of a listing, as short digests."""
    return f"snapshots/{source_id}/listings/{listing_digest}"


def drift(model_name: str) -> str:
    """Key of the last `components.shared.records.DriftRecord` of a model."""
    return f"models/{model_name}/drift.json"


def versions(model_name: str) -> str:
    """Return the key of the folder of a model's versions."""
    return f"models/{model_name}/versions"


def version(model_name: str, version_id: str) -> str:
    """Return the key of a version."""
    return f"models/{model_name}/versions/{version_id}"


def pointer(model_name: str, name: str) -> str:
    """Key of `serving` or `last-night`."""
    return f"models/{model_name}/{name}"


def pointers(model_name: str) -> str:
    """Key of champion, previous and anchor."""
    return f"models/{model_name}/pointers.json"


def decisions(model_name: str) -> str:
    """Return the key of the folder of a model's decisions."""
    return f"models/{model_name}/decisions"


def decision(model_name: str, number: int) -> str:
    """Return the key of a decision."""
    return f"models/{model_name}/decisions/{number:06}.json"


def requests(model_name: str) -> str:
    """Return the key of the folder of a model's approval requests."""
    return f"models/{model_name}/requests"


def request(model_name: str, run_id: str, version_id: str) -> str:
    """Return the key of an approval request."""
    return f"models/{model_name}/requests/{run_id}/{version_id}.json"


def looks(model_name: str) -> str:
    """Key of the ledger of looks at test sets."""
    return f"models/{model_name}/looks.json"


def signature(model_name: str, version_id: str) -> str:
    """Key of the signature of a version's manifest."""
    return f"models/{model_name}/signatures/{version_id}"


def serving_image(model_name: str, version_id: str) -> str:
    """Key of the image of the predictor that a version was checked with."""
    return f"models/{model_name}/serving-images/{version_id}"


def card(model_name: str, version_id: str) -> str:
    """Key of a version's model card."""
    return f"models/{model_name}/cards/{version_id}.md"


def served(model_name: str, day: str) -> str:
    """Key of what was served on a day (UTC, ``yyyy-mm-dd``)."""
    return f"served/{model_name}/{day}"


def checkpoint(key: str) -> str:
    """Return the key of a checkpoint."""
    return f"checkpoints/{key}"


def plan(plan_digest: str) -> str:
    """Return the key of a run plan."""
    return f"plans/{plan_digest}.json"


def preset(preset_digest: str) -> str:
    """Return the key of a preset that runs used."""
    return f"presets/{preset_digest}.json"


def run(run_id: str) -> str:
    """Return the key of the folder of a run."""
    return f"runs/{run_id}"


def workflow(run_id: str) -> str:
    """Key of the id of the workflow that a run's name belongs to."""
    return f"runs/{run_id}/workflow"


def run_preset(run_id: str) -> str:
    """Key of the preset of a run."""
    return f"runs/{run_id}/preset.json"


def evaluation(run_id: str) -> str:
    """Key of the predictions and measurements that the gate of a run judged."""
    return f"runs/{run_id}/evaluation"


def evidence(run_id: str, step: str) -> str:
    """Return the key of what a step found."""
    return f"runs/{run_id}/evidence/{step}.json"


PRICES = "prices.json"


def runs_index(extension: str) -> str:
    """Key of the index over runs: ``json`` for its rows, ``html`` for its page."""
    return f"runs/index.{extension}"
