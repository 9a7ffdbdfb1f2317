"""ingest: the night's source as an examples artifact, and as an immutable snapshot in the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts import artifacts, layout
from components.contracts.artifacts import EXAMPLES_VERSION, MARKERS, Snapshot
from components.contracts.codec import digest, from_json
from components.contracts.errors import ContractError, InputError
from components.contracts.findings import IngestFindings, RejectedImage
from components.contracts.night import Listing, NightPlan
from components.contracts.preset import DataPolicy
from components.ingestion import summary
from components.ingestion.earlier import find_earlier, write_index
from components.ingestion.flow import processes_for, run_flow
from components.ingestion.overlays import read_overlays
from components.ingestion.resolve import listed
from components.ingestion.sources.layouts import Batch, Layout
from components.ingestion.sources.opening import localized
from components.ingestion.sources.places import Place
from components.ingestion.splits import SplitRules
from components.ingestion.tables import read_part, write_rejected
from components.ingestion.watch import watching
from components.runtime.step import Context

REJECTED_EXAMPLES = 20


def ingest(context: Context, plan_digest: str, target: Path) -> IngestFindings:
    """Read every object of the planned source and write the examples artifact into ``target``.

    Raises:
        InputError: the source changed since it was listed, or nothing usable is in it.
        ContractError: the plan is missing. EnvironmentProblem: no space, no connection.
    """
    policy = context.preset.data
    plan = _plan(context, plan_digest)
    place, found = _as_planned(plan.listing, policy)
    artifacts.start(target)
    # On the disk that the artifact stands on, which is the one that was made large enough; gone before the marker.
    parts = target / ".parts"
    parts.mkdir()
    place = localized(place, context.scratch)
    reading = found.reading(place, context.scratch)
    read = sum(batch.rows for batch in reading.batches)
    source_id = plan.listing.source_id
    earlier = find_earlier(context.store, source_id, plan.accepted_snapshot, context.scratch)
    overlays = read_overlays(context.store, source_id)
    processes = processes_for(reading.batches)
    began = time.monotonic()
    with watching(_done(parts, reading.batches), read, "images"):
        rules = SplitRules.of(policy, frozenset(reading.published))
        shards = run_flow(reading.batches, place, rules, parts, target, processes=processes, earlier=earlier, overlays=overlays)
    seconds = time.monotonic() - began
    rejected, forgotten = write_rejected(target / "rejected.parquet", parts, len(reading.batches))
    read -= forgotten
    made_of = [read_part(parts, number) for number in range(len(reading.batches))]
    reused, relabelled = (sum(pc.sum(part[name]).as_py() or 0 for part in made_of) for name in ("reused", "relabelled"))

    files = [target / shard.name for shard in shards]
    table = summary.read_columns(files)
    _check(table, rejected, plan.listing.uri)
    counts = summary.counts_by_split(table, policy.labels)
    names = tuple(file.name for file in files)
    snapshot = Snapshot(EXAMPLES_VERSION, summary.snapshot_id(table, policy), source_id, policy.labels, counts, read, len(rejected), names)
    write_index(context.store, source_id, snapshot.snapshot_id, made_of)
    del made_of
    shutil.rmtree(parts)
    artifacts.finish(target, "examples", snapshot)
    context.store.put_tree(target, layout.snapshot(snapshot.source_id, snapshot.snapshot_id), MARKERS["examples"])
    reasons = summary.left_out_reasons(table)
    return IngestFindings(
        snapshot_id=snapshot.snapshot_id,
        source_id=snapshot.source_id,
        layout=found.name,
        labels=policy.labels,
        read=read,
        accepted=len(table),
        rejected=len(rejected),
        left_out=sum(reasons.values()),
        reject_reasons=summary.tally(rejected["reason"].to_pylist()),
        left_out_reasons=reasons,
        rejected_examples=tuple(RejectedImage(**row) for row in rejected.slice(0, REJECTED_EXAMPLES).to_pylist()),
        counts=counts,
        published_counts=reading.published,
        duplicates=summary.duplicates(table, policy.min_contrast),
        images_per_second=round(read / seconds, 1),
        runner=f"FnApiRunner, {'in this process' if processes == 1 else f'{processes} processes'}",
        thumbnails=summary.thumbnails(files, policy.labels),
        reused=reused,
        gone=earlier.rows - reused if earlier is not None and earlier.index is not None else 0,
        forgotten=forgotten,
        relabelled=relabelled,
    )


def _plan(context: Context, plan_digest: str) -> NightPlan:
    text = context.store.read(layout.plan(plan_digest))
    if text is None:
        raise ContractError(
            f"there is no night plan {plan_digest[:12]}", expected=context.store.location(layout.plan(plan_digest)), fix="run resolve first"
        )
    plan = from_json(NightPlan, text, "the night plan")
    if plan.preset_digest != digest(context.preset):
        raise ContractError(
            "the night plan was made for another preset",
            expected=f"the preset {plan.preset_digest[:12]}",
            fix="run resolve with this preset",
        )
    return plan


def _as_planned(listing: Listing, policy: DataPolicy) -> tuple[Place, Layout]:
    gathered, now = listed(listing.uri, policy)
    if now.digest != listing.digest:
        raise InputError(
            f"the source {listing.uri} changed since this run listed it",
            expected=f"{listing.objects:,} objects as listed",
            received=f"{now.objects:,} objects, some of them other ones" if now.objects == listing.objects else f"{now.objects:,} objects",
            fix="run again when nothing writes into the source any more",
        )
    gathered.layout.check()
    return gathered.place, gathered.layout


def _done(parts: Path, batches: Sequence[Batch]) -> Callable[[], int]:
    """Counts the rows of the batches whose part is written."""
    return lambda: sum(batches[int(path.stem.rpartition("-")[2])].rows for path in parts.glob("accepted-*.arrow"))


def _check(table: pa.Table, rejected: pa.Table, uri: str) -> None:
    """Refuse what no night can be made of. Raises InputError."""
    if not len(table):
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in summary.tally(rejected["reason"].to_pylist()).items())
        raise InputError(f"none of the {len(rejected):,} images of {uri} can be used", expected="readable images", received=reasons)
    used = table.filter(pc.not_equal(table["split"], "left-out"))
    labels = summary.tally(used["label"].to_pylist())
    if len(labels) < 2:
        received = ", ".join(f"{label} ({count:,} images)" for label, count in labels.items()) or "none that is used"
        raise InputError(
            f"{uri} holds one class only", expected="at least two classes", received=received, fix="add images of other classes"
        )
    if "train" not in set(used["split"].to_pylist()):
        raise InputError(
            f"{uri} holds no training images",
            expected="rows to train on",
            received=f"only {', '.join(summary.tally(used['split'].to_pylist()))}",
        )
