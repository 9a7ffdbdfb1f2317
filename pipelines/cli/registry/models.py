"""`emotion models`: the registry. Its commands need the store alone, and answer at once."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from components.deployment.registry import approval, lineage
from components.deployment.registry.approval import Asked
from components.deployment.registry.promotion import Signed
from components.deployment.registry.registry import Registry, model_names
from components.shared.errors import InputError, UnknownNameError
from components.shared.records import Decision, Pointers
from components.shared.store.interface import open_store
from pipelines import presets
from pipelines.cli.hints import Group, hint
from pipelines.cli.kubeflow.connection import Auth, CaFile, Host
from pipelines.cli.kubeflow.rollout import Place, Prepared, Profile, drive, prepare, start_task
from pipelines.cli.kubeflow.runs import Registry as ImageRegistry
from pipelines.cli.registry.garbage import gc
from pipelines.cli.terminal import Model, Store, console

app = typer.Typer(
    cls=Group,
    help=(
        "The registry: list, show and compare versions; approve, promote, roll back; collect"
        " garbage."
    ),
    rich_markup_mode="rich",
    invoke_without_command=True,
)

app.command()(gc)

Version = Annotated[str, typer.Argument(help="A version, or its first digits.")]
By = Annotated[
    str, typer.Option("--by", help="Who decides; by default the name you are logged in with.")
]
RollOut = Annotated[
    bool,
    typer.Option(
        "--rollout", help="Then bring it to the traffic at once, as `emotion rollout start` does."
    ),
]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept for good.")]


@app.callback()
def models(context: typer.Context, store: Store = "store") -> None:
    """Show the registry: every model, its versions, and which is champion, previous and anchor.

    [dim]Examples:[/]
      emotion models
      emotion models show 0123456789ab
      emotion models diff 0123 4567
      emotion models approve 20261121-020000-fer2013-cnn --by ada --why "looked at the flips"
      emotion models rollback --why "errors in the shop"
      emotion models gc
    """
    if context.invoked_subcommand is None:
        list_(store)


@app.command(name="list")
def list_(store: Store = "store") -> None:
    """List every model, its versions and what they are; then what waits for a person."""
    opened = open_store(store)
    names = model_names(opened)
    if not names:
        console.print(
            f"no models in {opened.uri} yet; `{hint('run')}` makes one",
            markup=False,
            soft_wrap=True,
        )
        return
    table = Table(
        "model",
        "version",
        "is",
        "preset",
        "held-out accuracy",
        "labels",
        box=None,
        header_style="bold",
    )
    for registry in (Registry(opened, name) for name in names):
        roles = lineage.roles(registry)
        for version in registry.versions():
            manifest = registry.manifest(version)
            accuracy, labels = f"{manifest.validation_accuracy:.1%}", str(len(manifest.labels))
            table.add_row(
                registry.name,
                version,
                ", ".join(roles.get(version, ())),
                manifest.preset,
                accuracy,
                labels,
            )
    console.print(table)
    for registry in (Registry(opened, name) for name in names):
        now = registry.pointers()
        for asked in approval.requests(registry):
            if asked.answer is None:
                console.print(_waiting(asked, now), soft_wrap=True)


@app.command()
def show(version: Version, store: Store = "store", model: Model = "") -> None:
    """Show where a version comes from: decisions, gate, data, preset, code, and the environment of each step."""
    found = lineage.trace(*lineage.find(open_store(store), version, model))
    table = Table(box=None, show_header=False)
    for name, value in _lines(found):
        table.add_row(f"[bold]{name}[/]", value)
    console.print(table, soft_wrap=True)


@app.command()
def diff(one: Version, other: Version, store: Store = "store", model: Model = "") -> None:
    """Show what differs between two versions: data, preset, code, environments, scores."""
    opened = open_store(store)
    found = [lineage.trace(*lineage.find(opened, version, model)) for version in (one, other)]
    table = Table("", *(each.version for each in found), box=None, header_style="bold")
    for row in lineage.differences(*found):
        table.add_row(*row)
    console.print(table if table.row_count else "no difference that the registry knows of")


@app.command()
def promote(
    version: Version,
    why: Why,
    by: By = "",
    store: Store = "store",
    model: Model = "",
    rollout: RollOut = False,
    registry: ImageRegistry = "",
    host: Host = "",
    auth: Auth = "",
    profile: Profile = "",
    ca_file: CaFile = None,
) -> None:
    """Make an earlier champion champion again."""
    found, whole = lineage.find(open_store(store), version, model)
    prepared = (
        _prepared(
            found,
            whole,
            store,
            Place(registry, host=host, auth=auth, profile=profile, ca_file=ca_file),
        )
        if rollout
        else None
    )
    _tell(found, found.reinstate(whole, _signed(by, why)), prepared)


@app.command()
def rollback(
    why: Why = "rolled back by hand",
    by: By = "",
    store: Store = "store",
    model: Model = "",
    rollout: RollOut = False,
    registry: ImageRegistry = "",
    host: Host = "",
    auth: Auth = "",
    profile: Profile = "",
    ca_file: CaFile = None,
) -> None:
    """Make the previous champion champion again.

    The gate can't bring the withdrawn version back, a person can.
    """
    found = _registry(store, model)
    previous = found.pointers().previous
    place = Place(registry, host=host, auth=auth, profile=profile, ca_file=ca_file)
    prepared = _prepared(found, previous.version, store, place) if rollout and previous else None
    _tell(found, found.rollback(_signed(by, why)), prepared)


@app.command()
def approve(
    which: Annotated[str, typer.Argument(help="A run or a version.")],
    why: Why,
    by: By = "",
    store: Store = "store",
    rollout: RollOut = False,
    registry: ImageRegistry = "",
    host: Host = "",
    auth: Auth = "",
    profile: Profile = "",
    ca_file: CaFile = None,
) -> None:
    """Say yes to a version that needs approval: it becomes champion, if the champion is the one that it was judged against.

    [dim]Example:[/]
      emotion models approve 20261121-020000-fer2013-cnn --why "looked at the flips" --store gs://bucket/store --rollout
    """
    found, asked = _asked(store, which)
    place = Place(registry, host=host, auth=auth, profile=profile, ca_file=ca_file)
    prepared = _prepared(found, asked.request.verdict.challenger, store, place) if rollout else None
    _tell(found, approval.approve(found, asked.request, _signed(by, why)), prepared)


@app.command()
def reject(
    which: Annotated[str, typer.Argument(help="A run or a version.")],
    why: Why,
    by: By = "",
    store: Store = "store",
) -> None:
    """Say no to a version that needs approval."""
    registry, asked = _asked(store, which)
    approval.reject(registry, asked.request, _signed(by, why))
    console.print(
        f"{registry.name}: {asked.request.verdict.challenger} is rejected; the champion stays"
    )


def _registry(store: str, model: str) -> Registry:
    opened = open_store(store)
    names = model_names(opened)
    if model and model not in names:
        raise UnknownNameError("model", model, names)
    if not model and len(names) != 1:
        fix = (
            "name one with --model"
            if names
            else "name another --store; `emotion run` makes a model"
        )
        raise InputError(
            f"{opened.uri} holds {len(names) or 'no'} models",
            expected="one",
            received=", ".join(names),
            fix=fix,
        )
    return Registry(opened, model or names[0])


def _asked(store: str, which: str) -> tuple[Registry, Asked]:
    opened = open_store(store)
    registries = [Registry(opened, name) for name in model_names(opened)]
    for registry in registries:
        try:
            return registry, approval.find(registry, which)
        except UnknownNameError:
            continue
    known = {
        name
        for registry in registries
        for one in approval.requests(registry)
        for name in (one.request.run_id, one.request.verdict.challenger)
    }
    if not known:
        raise InputError(
            f"nothing in {opened.uri} needs approval",
            received=which,
            fix="name another --store, or look at `emotion models`",
        )
    raise UnknownNameError("run or version that needs approval", which, known)


def _signed(by: str, why: str) -> Signed:
    return Signed(
        by or getpass.getuser(), why, datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    )


def _prepared(registry: Registry, version: str, store: str, place: Place) -> Prepared:
    """Return the rollout of a version that is to become champion: what refuses it refuses it before that."""
    preset = presets.preset(registry.manifest(version).preset)
    return prepare(start_task(preset, store), place)


def _tell(registry: Registry, now: Pointers, prepared: Prepared | None) -> None:
    """Say what is champion, and bring it to the traffic or say how."""
    serving = registry.serving()
    champion = now.champion.version if now.champion else "nothing"
    console.print(
        f"{registry.name}: {champion} is champion; the next run compares with it", soft_wrap=True
    )
    if prepared is not None:
        drive(prepared)
    if now.champion is None or (serving is not None and serving.version == champion):
        return
    if "://" not in registry.store.uri:
        console.print(
            f"no cluster reads {registry.store.uri}; on this machine it answers with:"
            f" {hint('serve')}",
            markup=False,
            soft_wrap=True,
        )
        return
    start = hint("rollout", "start", preset=registry.manifest(champion).preset)
    state = f"{serving.version} still serves" if serving else "nothing serves yet"
    console.print(
        f"{state}; the champion gets the traffic of a cluster with: {start}",
        markup=False,
        soft_wrap=True,
    )


def _waiting(asked: Asked, now: Pointers) -> str:
    verdict, run = asked.request.verdict, asked.request.run_id
    if not asked.still_counts(now):
        return (
            f"{verdict.challenger} of run {run} needs approval, but was judged against another"
            " champion: run again, or reject it"
        )
    commands = (hint("models", word, run, by="NAME", why="TEXT") for word in ("approve", "reject"))
    return f"[yellow]{verdict.challenger} needs approval:[/] {escape(' · '.join(commands))}"


def _lines(found: lineage.Lineage) -> Iterator[tuple[str, str]]:
    manifest, plan = found.manifest, found.findings("resolve").get("plan") or {}
    yield "model", f"{found.model_name} {found.version}"
    yield "is", ", ".join(found.roles) or "kept"
    yield "stored at", found.location
    yield "snapshot", manifest.snapshot_id
    yield "source", str((plan.get("listing") or {}).get("uri", "unknown"))
    yield "preset", f"{manifest.preset} (digest {plan.get('preset_digest', 'unknown')})"
    commit = found.summary.get("git_commit")
    yield "code", manifest.code_version + (f", commit {commit}" if commit else "")
    yield (
        "run",
        f"{found.run_id or 'unknown'} {'' if found.evidence else '(its evidence is gone)'}".strip(),
    )
    for decision in found.decisions:
        yield "decision", _decision(decision)
    for asked in found.asked:
        if asked.answer is None:
            yield "waits", f"for a person, since {asked.request.asked_at}"
    verdict = found.findings("gate")
    if verdict:
        yield (
            "gate",
            (
                f"{verdict.get('word')}, against champion {verdict.get('champion')} and anchor"
                f" {verdict.get('anchor')}"
            ),
        )
        for check in verdict.get("checks") or ():
            yield "", f"{check.get('outcome')}: {check.get('sentence')}"
    for step, evidence in found.evidence.items():
        told = ", ".join(
            f"{name} {value}" for name, value in evidence.get("environment", {}).items() if value
        )
        yield step, told


def _decision(decision: Decision) -> str:
    replaced = (
        f", replacing {decision.replaced}"
        if decision.replaced and decision.action != "reject"
        else ""
    )
    return (
        f"{decision.number}: {decision.action} by {decision.by} on {decision.at}{replaced}:"
        f" {decision.why}"
    )
