"""resolve.

What stands in the source tonight, and is it worth a night's work? Neither Beam nor an image
library.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from datetime import datetime, timezone

from components.ingestion.curation.decisions import overlays_digest
from components.ingestion.decode.memory import be_frugal
from components.ingestion.resolve.listing_changes import changed_since, keep
from components.ingestion.resolve.policy import Circumstances, counts_objects, decide
from components.ingestion.sources.open import Gathered, gather, slug
from components.shared.errors import ContractError, EmotionError, InputError
from components.shared.findings import ResolveFindings
from components.shared.preset import DataPolicy, Preset
from components.shared.preset.sources import separate_uris
from components.shared.records import (
    AcceptedSnapshot,
    DriftRecord,
    JudgedRun,
    NewerRecordError,
    Pointers,
    read_record,
)
from components.shared.run_plan import ListedSource, Listing, NightPlan
from components.shared.serialization import digest, from_json, to_json
from components.shared.step.frame import Context, one_line
from components.shared.store import keys
from components.shared.store.interface import Store
from components.shared.store.registry import read_pointers


def resolve(context: Context, source: str, code_version: str, *, force: bool) -> ResolveFindings:
    """List the source, compare with the last judged night, and store the night's plan.

    Raises:
        InputError: the source can't be used. EnvironmentProblem: it can't be reached.
    """
    be_frugal()
    gathered, listing = listed(source, context.preset.data)
    gathered.layout.check()
    plan = _made_before(context, listing, code_version, force=force) or _make(
        context, gathered, listing, code_version, force=force
    )
    plan_digest = digest(plan)
    context.store.write(keys.plan(plan_digest), to_json(plan).encode())
    context.store.write(_own_plan_key(context.run_id), to_json({"plan": plan_digest}).encode())
    return ResolveFindings(plan, plan_digest, to_json(context.preset))


def listed(source: str, policy: DataPolicy) -> tuple[Gathered, Listing]:
    """Return the sources that a run or its preset names, and their listing.

    Raises InputError, EnvironmentProblem.
    """
    gathered = gather(source, policy)
    found = gathered.layout
    parts = tuple(
        ListedSource(name, uri, layout.name, layout.objects, layout.bytes)
        for name, uri, layout in gathered.parts
    )
    return gathered, Listing(
        gathered.uri,
        source_id(gathered.uri),
        found.name,
        found.digest,
        found.objects,
        found.bytes,
        parts,
    )


def source_id(source: str) -> str:
    """Return a short stable name.

    The base name as a slug, and 8 hex digits of a digest of the absolute URI.

    Of several sources the digest is of all of them, in whatever order they are named.
    """
    absolute = sorted(
        uri.rstrip("/") if "://" in uri else os.path.abspath(os.path.expanduser(uri))
        for uri in separate_uris(source)
    )
    name = (
        slug(absolute[0])
        if len(absolute) == 1
        else f"{slug(absolute[0])[:30]}-and-{len(absolute) - 1}-more"
    )
    mark = hashlib.sha256("\n".join(absolute).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{name}-{mark}"


def check_compiled_for(preset: Preset, compiled_for: str) -> None:
    """Refuse a preset that needs more than the tasks of this pipeline version get.

    Args:
        compiled_for: device whose sizes the version has; empty where tasks have none, as at a desk.

    Raises:
        InputError: the preset trains on a GPU, and the version was compiled for a preset that
            doesn't.
    """
    if (compiled_for, preset.training.device) == ("cpu", "gpu"):
        raise InputError(
            f"the preset {preset.name} needs more than this pipeline version's tasks get",
            expected="a preset with training.device cpu",
            received="gpu",
            fix=f"`emotion submit --preset {preset.name} …` uploads a version with its sizes",
        )


def _make(
    context: Context, gathered: Gathered, listing: Listing, code_version: str, *, force: bool
) -> NightPlan:
    store, model_name, policy = context.store, context.preset.model_name, context.preset.retraining
    preset_digest = digest(context.preset)
    overlays = overlays_digest(store, listing.source_id)
    fingerprint = _fingerprint(listing.digest, preset_digest, code_version, overlays)
    tonight = JudgedRun(
        fingerprint,
        listing_digest=listing.digest,
        preset_digest=preset_digest,
        code_version=code_version,
        objects=listing.objects,
    )
    last, pointers = _last_judged(store, model_name), read_pointers(store, model_name)
    changed = None
    if counts_objects(policy):
        keep(store, listing, gathered.place)
        changed = (
            changed_since(store, listing, gathered.place, last.listing_digest) if last else None
        )
    around = Circumstances(
        changed=changed,
        decided=last is not None
        and _fingerprint(last.listing_digest, last.preset_digest, last.code_version, overlays)
        != last.fingerprint,
        drift=_drift(store, model_name, pointers, last),
        champion_days=_days_since(pointers.champion.since) if pointers.champion else None,
        judged_days=_days_since(last.at) if last else None,
    )
    new, reason = decide(tonight, last, force=force, policy=policy, around=around)
    return NightPlan(
        work="new" if new else "nothing-new",
        reason=reason,
        preset_digest=preset_digest,
        code_version=code_version,
        fingerprint=fingerprint,
        listing=listing,
        accepted_snapshot=_accepted_snapshot(store, listing.source_id),
        champion=pointers.champion,
        anchor=pointers.anchor,
    )


def _fingerprint(listing_digest: str, preset_digest: str, code_version: str, overlays: str) -> str:
    return digest([listing_digest, preset_digest, code_version, *([overlays] if overlays else [])])


def _drift(store: Store, model_name: str, pointers: Pointers, last: JudgedRun | None) -> str:
    """Return what `emotion drift` found of the champion since the last judged night, in words.

    Empty for nothing.
    """
    content = store.read(keys.drift(model_name))
    if content is None or pointers.champion is None:
        return ""
    try:
        found = from_json(DriftRecord, content, "the drift record")
    except EmotionError:
        return ""  # of another version of the code: it must not keep a night from running
    ours = found.drifted and found.version == pointers.champion.version
    return found.sentence if ours and (last is None or found.at > last.at) else ""


def _days_since(moment: str) -> float | None:
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (
        datetime.now(timezone.utc) - (then if then.tzinfo else then.replace(tzinfo=timezone.utc))
    ).total_seconds() / 86400


def _made_before(
    context: Context, listing: Listing, code_version: str, *, force: bool
) -> NightPlan | None:
    """Return the plan that this very run made earlier, if all it rests on is unchanged.

    A resumed run must keep it: its finished steps are found under it, and a champion that this run
    itself promoted must not become what it is compared with.
    """
    recorded = context.store.read(_own_plan_key(context.run_id))
    if recorded is None:
        return None
    text = context.store.read(keys.plan(str(json.loads(recorded)["plan"])))
    if text is None:
        return None
    try:
        plan = from_json(NightPlan, text, "the stored plan")
    except EmotionError:
        return None  # of another version of the code: made anew
    same = (plan.listing, plan.preset_digest, plan.code_version) == (
        listing,
        digest(context.preset),
        code_version,
    )
    return plan if same and not (force and plan.work == "nothing-new") else None


def _own_plan_key(run_id: str) -> str:
    # Evidence of an earlier attempt can't tell it: the frame has already replaced it by "running".
    return f"{keys.run(run_id)}/plan.json"


def _last_judged(store: Store, model_name: str) -> JudgedRun | None:
    """Return the last judged run of a model; an empty record where it can't be read.

    Raises:
        NewerRecordError: a newer version of the code wrote it.
    """
    key = keys.pointer(model_name, "last-night")
    try:
        return read_record(JudgedRun, store.read(key), key)
    except NewerRecordError:
        raise
    except ContractError as error:  # a torn record must not keep a run from its work
        print(f"taken for the first run: {one_line(error)}", file=sys.stderr)
        return JudgedRun("")


def _accepted_snapshot(store: Store, source: str) -> str | None:
    key = keys.accepted_snapshot(source)
    accepted = read_record(AcceptedSnapshot, store.read(key), key)
    return accepted.snapshot_id if accepted else None
