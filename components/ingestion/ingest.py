"""ingest: the night's source as an examples artifact, and as an immutable snapshot in the store."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from threading import get_ident

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingestion.curation.decisions import read_overlays
from components.ingestion.decode import image_files as files_of_parts
from components.ingestion.decode.beam_pipeline import (
    Span,
    available_processes,
    plan_spans,
    processes_for,
    run_flow,
)
from components.ingestion.decode.memory import be_frugal, be_quick
from components.ingestion.decode.progress import watching
from components.ingestion.resolve.resolve import listed
from components.ingestion.snapshot import summary
from components.ingestion.snapshot.groups import settle
from components.ingestion.snapshot.images import Collection
from components.ingestion.snapshot.previous import find_earlier, write_index
from components.ingestion.snapshot.rows import Assembled, assemble
from components.ingestion.snapshot.schemas import Shard, plan_shards, side_by_side, write_shard
from components.ingestion.snapshot.splits import LEFT_OUT, SplitRules
from components.ingestion.sources.layouts.layout import Layout, Reading
from components.ingestion.sources.storage.open import localized
from components.ingestion.sources.storage.storage import Place
from components.shared.artifacts import contract
from components.shared.artifacts.contract import EXAMPLES_VERSION, MARKERS, Snapshot
from components.shared.errors import ContractError, InputError
from components.shared.findings import IngestFindings, RejectedImage
from components.shared.preset import DataPolicy, IngestionPolicy
from components.shared.run_plan import Listing, NightPlan
from components.shared.serialization import digest, from_json
from components.shared.step.frame import Context
from components.shared.store import keys

REJECTED_EXAMPLES = 20


def ingest(
    context: Context, plan_digest: str, target: Path, runner: IngestionPolicy | None = None
) -> IngestFindings:
    """Read every object of the planned source and write the examples artifact into ``target``.

    Args:
        runner: what reads, in the place of the preset's.

    Raises:
        InputError: the source changed since it was listed, or nothing usable is in it.
        ContractError: the plan is missing. EnvironmentProblem: no space, no connection.
    """
    be_frugal()
    policy = context.preset.data
    plan = _plan(context, plan_digest)
    source_id = plan.listing.source_id
    with ThreadPoolExecutor(1) as meanwhile:
        remembered = meanwhile.submit(
            find_earlier, context.store, source_id, plan.accepted_snapshot, context.scratch
        )
        meanwhile.submit(
            lambda: (snapshot := remembered.result()) and snapshot.rows
        )  # which are wanted soon
        place, found = _as_planned(plan.listing, policy)
    earlier = remembered.result()
    contract.start(target)
    # On the disk that the artifact stands on, which is the one that was made large enough; gone
    # before the marker.
    home = target / ".parts"
    home.mkdir()
    runner = runner or context.preset.ingestion
    if not runner.beam:
        place = localized(place, context.scratch)
    reading = found.reading(place, context.scratch)
    overlays = read_overlays(context.store, source_id)
    places = (
        earlier.places(reading.rows["fingerprint"])
        if earlier is not None
        else np.full(len(reading.rows), -1)
    )
    usable = pc.equal(reading.rows["reason"].cast(pa.string()), "").to_numpy()
    places[~usable] = -1
    spans = plan_spans(reading.rows, np.flatnonzero(usable & (places < 0)))
    processes = processes_for(spans)
    began = time.monotonic()
    with watching(_done(home, spans, len(reading.rows)), len(reading.rows), "images"):
        _read(spans, reading, place, home, runner, processes)
    parts, refused = files_of_parts.read_parts(home, len(spans))
    night = assemble(reading.rows, places, earlier, parts, refused, overlays)
    read = len(reading.rows) - night.forgotten
    seconds = time.monotonic() - began

    _require_some(night, plan.listing.uri)
    pq.write_table(night.rejected, target / "rejected.parquet", version="2.6", compression="ZSTD")
    shown = earlier.shards if earlier is not None and earlier.reusable else ()
    collections = cache(lambda thread: Collection(shown, parts))
    collection = collections(get_ident())
    settled = settle(
        night.rows,
        night.pictures,
        collection,
        SplitRules.of(policy, frozenset(reading.published)),
        earlier,
    )
    table, rejected = summary.columns(night.rows, settled.decided), night.rejected
    counts = summary.counts_by_split(table, policy.labels)
    _check(counts, plan.listing.uri)
    shards = plan_shards(night.sizes)
    names = tuple(shard.name for shard in shards)
    snapshot = Snapshot(
        EXAMPLES_VERSION,
        summary.snapshot_id(table, policy),
        source_id,
        policy.labels,
        counts,
        read,
        len(rejected),
        names,
    )

    def whole_files() -> Iterator[str]:
        yield from threads.map(
            lambda shard: _write(target, shard, night, settled.decided, collections(get_ident())),
            shards,
        )
        shutil.rmtree(home)
        contract.finish(target, "examples", snapshot)

    be_quick()
    place_in_store = keys.snapshot(source_id, snapshot.snapshot_id)
    with ThreadPoolExecutor(available_processes()) as threads, ThreadPoolExecutor(1) as disk:
        stored = disk.submit(
            context.store.put_tree, target, place_in_store, MARKERS["examples"], whole_files()
        )
        write_index(context.store, source_id, snapshot.snapshot_id, night.rows, settled.drawn)
        reasons = summary.left_out_reasons(table)
        duplicates = summary.duplicates(table, settled.content, settled.group, policy.min_contrast)
        groups = [group for shard in shards for group in shard.groups]
        thumbnails = summary.thumbnails(
            table,
            settled.content,
            groups,
            policy.labels,
            lambda rows: collection.images(night.pictures[rows]),
        )
        stored.result()
    return IngestFindings(
        snapshot_id=snapshot.snapshot_id,
        source_id=snapshot.source_id,
        layout=found.name,
        labels=policy.labels,
        read=read,
        accepted=len(table),
        rejected=len(rejected),
        left_out=sum(reasons.values()),
        reject_reasons=summary.tally(rejected["reason"]),
        left_out_reasons=reasons,
        rejected_examples=tuple(
            RejectedImage(**row) for row in rejected.slice(0, REJECTED_EXAMPLES).to_pylist()
        ),
        counts=counts,
        published_counts=reading.published,
        duplicates=duplicates,
        images_per_second=round(read / seconds, 1),
        runner=runner.runner
        or ("this process" if processes == 1 else f"FnApiRunner, {processes} processes"),
        thumbnails=thumbnails,
        reused=night.reused,
        gone=len(earlier.rows) - night.reused if earlier is not None and earlier.reusable else 0,
        forgotten=night.forgotten,
        relabelled=night.relabelled,
    )


def _plan(context: Context, plan_digest: str) -> NightPlan:
    text = context.store.read(keys.plan(plan_digest))
    if text is None:
        raise ContractError(
            f"there is no night plan {plan_digest[:12]}",
            expected=context.store.location(keys.plan(plan_digest)),
            fix="run resolve first",
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
            received=(
                f"{now.objects:,} objects, some of them other ones"
                if now.objects == listing.objects
                else f"{now.objects:,} objects"
            ),
            fix="run again when nothing writes into the source any more",
        )
    gathered.layout.check()
    return gathered.place, gathered.layout


def _read(
    spans: Sequence[Span],
    reading: Reading,
    place: Place,
    home: Path,
    runner: IngestionPolicy,
    processes: int,
) -> None:
    """Read the spans into parts in the folder ``home``."""
    with (
        files_of_parts.shared_folder(runner.shared) if runner.beam else nullcontext(str(home))
    ) as folder:
        run_flow(spans, reading, place, folder, processes=processes, options=runner.beam)
        if runner.beam:
            files_of_parts.bring_home(folder, home, len(spans))


def _done(home: Path, spans: Sequence[Span], rows: int) -> Callable[[], int]:
    """Return what counts the rows that needn't be read, and those of the spans whose part is written."""
    others = rows - sum(len(span.rows) for span in spans)
    return lambda: others + sum(len(spans[number].rows) for number in files_of_parts.done(home))


def _write(
    target: Path, shard: Shard, night: Assembled, decided: pa.Table, collection: Collection
) -> str:
    """Write one image file: what the source, the pictures and the decisions say of its rows.

    Its name.
    """

    def group(start: int, end: int) -> pa.Table:
        rows, settled = night.rows.slice(start, end - start), decided.slice(start, end - start)
        return side_by_side(
            rows.rename_columns({"key": "source_uri"}),
            collection.take(night.pictures[start:end]),
            settled,
        )

    write_shard(target / shard.name, (group(start, end) for start, end in shard.groups))
    return shard.name


def _require_some(night: Assembled, uri: str) -> None:
    """Refuse a source of which nothing can be used. Raises InputError."""
    if not len(night.rows):
        reasons = ", ".join(
            f"{reason} ({count:,})"
            for reason, count in summary.tally(night.rejected["reason"]).items()
        )
        raise InputError(
            f"none of the {len(night.rejected):,} images of {uri} can be used",
            expected="readable images",
            received=reasons,
        )


def _check(counts: dict[str, dict[str, int]], uri: str) -> None:
    """Refuse what no night can be made of. Raises InputError."""
    used = {split: Counter(found) for split, found in counts.items() if split != LEFT_OUT}
    labels = +sum(used.values(), Counter())  # those of which there are any
    if len(labels) < 2:
        received = (
            ", ".join(f"{label} ({count:,} images)" for label, count in labels.items())
            or "none that is used"
        )
        raise InputError(
            f"{uri} holds one class only",
            expected="at least two classes",
            received=received,
            fix="add images of other classes",
        )
    if "train" not in used:
        raise InputError(
            f"{uri} holds no training images",
            expected="rows to train on",
            received=f"only {', '.join(used)}",
        )
