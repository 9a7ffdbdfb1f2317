"""resolve: what stands in the source tonight, and is it worth a night's work? Standard library only."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from components.contracts import layout
from components.contracts.artifacts import write_atomically
from components.contracts.codec import digest, from_json, to_json
from components.contracts.errors import EmotionError
from components.contracts.findings import ResolveFindings
from components.contracts.night import ListedSource, Listing, NightPlan
from components.contracts.preset import DataPolicy
from components.contracts.preset.sources import separate_uris
from components.ingestion.overlays import overlays_digest
from components.ingestion.sources.gathering import Gathered, gather, slug
from components.runtime.pointers import read_pointers
from components.runtime.step import Context
from components.runtime.store import Store


@dataclass(frozen=True)
class LastNight:
    """The last judged night of a model, as reporting recorded it under `last-night`."""

    fingerprint: str
    run_id: str = ""
    outcome: str = ""
    listing_digest: str = ""
    preset_digest: str = ""
    code_version: str = ""
    objects: int = 0


def resolve(context: Context, source: str, code_version: str, *, force: bool) -> ResolveFindings:
    """List the source, compare with the last judged night, and store the night's plan.

    Raises:
        InputError: the source can't be used. EnvironmentProblem: it can't be reached.
    """
    gathered, listing = listed(source, context.preset.data)
    gathered.layout.check()
    plan = _made_before(context, listing, code_version, force=force) or _make(context, listing, code_version, force=force)
    plan_digest = digest(plan)
    context.store.write(layout.plan(plan_digest), to_json(plan).encode())
    context.store.write(_own_plan_key(context.run_id), to_json({"plan": plan_digest}).encode())
    return ResolveFindings(plan, plan_digest, to_json(context.preset))


def listed(source: str, policy: DataPolicy) -> tuple[Gathered, Listing]:
    """The sources that a run or its preset names, and their listing. Raises InputError, EnvironmentProblem."""
    gathered = gather(source, policy)
    found = gathered.layout
    parts = tuple(ListedSource(name, uri, layout.name, layout.objects, layout.bytes) for name, uri, layout in gathered.parts)
    return gathered, Listing(gathered.uri, source_id(gathered.uri), found.name, found.digest, found.objects, found.bytes, parts)


def source_id(source: str) -> str:
    """A short stable name: the base name as a slug, and 8 hex digits of a digest of the absolute URI.

    Of several sources the digest is of all of them, in whatever order they are named.
    """
    absolute = sorted(uri.rstrip("/") if "://" in uri else os.path.abspath(os.path.expanduser(uri)) for uri in separate_uris(source))
    name = slug(absolute[0]) if len(absolute) == 1 else f"{slug(absolute[0])[:30]}-and-{len(absolute) - 1}-more"
    mark = hashlib.sha256("\n".join(absolute).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{name}-{mark}"


def write_outputs(findings: ResolveFindings, run_id: str, *, work: str, plan: str, run: str) -> None:
    """Write the step's outputs as plain text files, each where its path isn't empty."""
    for path, text in ((work, findings.plan.work), (plan, findings.plan_digest), (run, run_id)):
        if path:
            write_atomically(Path(path), text.encode())


def decide(tonight: LastNight, last: LastNight | None, *, force: bool) -> tuple[bool, str]:
    """Whether there is work, and why in words. ``tonight`` needs no run and no outcome."""
    images = f"{tonight.objects:,} object" + ("" if tonight.objects == 1 else "s")
    if last is None:
        return True, f"this is the first night: {images}"
    before = f"run {last.run_id or 'unknown'}, which ended {last.outcome or 'without a recorded outcome'}"
    if last.fingerprint == tonight.fingerprint:
        if force:
            return True, f"forced, though nothing changed since {before}"
        if last.outcome == "failed":
            return True, f"nothing changed, but the last night failed (run {last.run_id})"
        return False, f"nothing changed since {before}: the same {images}, preset and code"
    changes = []
    if last.listing_digest != tonight.listing_digest:
        grown = f", {last.objects:,} before" if last.objects else ""
        changes.append(f"the source changed ({images} now{grown})")
    if last.preset_digest != tonight.preset_digest:
        changes.append("the preset changed")
    if last.code_version != tonight.code_version:
        changes.append("the code changed")
    known = last.listing_digest and last.preset_digest
    if known and not changes:
        changes.append("labels or tombstones changed")
    what = " and ".join(changes) if known else f"the source, the preset or the code changed ({images} now)"
    return True, f"{what} since {before}"


def _make(context: Context, listing: Listing, code_version: str, *, force: bool) -> NightPlan:
    store, model_name = context.store, context.preset.model_name
    preset_digest = digest(context.preset)
    overlays = overlays_digest(store, listing.source_id)
    fingerprint = digest([listing.digest, preset_digest, code_version, *([overlays] if overlays else [])])
    tonight = LastNight(
        fingerprint, listing_digest=listing.digest, preset_digest=preset_digest, code_version=code_version, objects=listing.objects
    )
    new, reason = decide(tonight, _last_night(store, model_name), force=force)
    pointers = read_pointers(store, model_name)
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


def _made_before(context: Context, listing: Listing, code_version: str, *, force: bool) -> NightPlan | None:
    """The plan that this very run made earlier, if all it rests on is unchanged.

    A resumed run must keep it: its finished steps are found under it, and a champion that this run
    itself promoted must not become what it is compared with.
    """
    recorded = context.store.read(_own_plan_key(context.run_id))
    if recorded is None:
        return None
    text = context.store.read(layout.plan(str(json.loads(recorded)["plan"])))
    if text is None:
        return None
    try:
        plan = from_json(NightPlan, text, "the stored plan")
    except EmotionError:
        return None  # of another version of the code: made anew
    same = (plan.listing, plan.preset_digest, plan.code_version) == (listing, digest(context.preset), code_version)
    return plan if same and not (force and plan.work == "nothing-new") else None


def _own_plan_key(run_id: str) -> str:
    # Evidence of an earlier attempt can't tell it: the frame has already replaced it by "running".
    return f"{layout.run(run_id)}/plan.json"


def _last_night(store: Store, model_name: str) -> LastNight | None:
    text = store.read(layout.pointer(model_name, "last-night"))
    if text is None:
        return None
    try:
        value = json.loads(text)
        names = {field.name for field in dataclasses.fields(LastNight)}
        return from_json(LastNight, json.dumps({key: item for key, item in value.items() if key in names}), "last-night")
    except (ValueError, AttributeError, EmotionError):
        return LastNight("")  # a torn or foreign record must not keep a night from running


def _accepted_snapshot(store: Store, source: str) -> str | None:
    text = store.read(layout.accepted_snapshot(source))
    return str(json.loads(text)["snapshot_id"]) if text is not None else None
