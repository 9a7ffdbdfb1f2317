"""`emotion models gc`: what nothing needs any longer."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from components.deployment.registry.garbage import collect
from components.deployment.registry.retention import Standing, survey
from components.shared.store.interface import open_store
from pipelines.cli.terminal import Store, console

DAY_SECONDS = 86_400


def gc(
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Remove what is listed as garbage; without it nothing is removed."
        ),
    ] = False,
    days: Annotated[
        int,
        typer.Option(
            min=1, help="What was made, written or decided upon in so many last days stays."
        ),
    ] = 30,
    store: Store = "store",
) -> None:
    """Show what nothing needs any longer, versions, snapshots and checkpoints, and what the rest is kept for; --delete removes it.

    Champion, previous, anchor and what serves stay, and so do versions that wait for approval or
    that a rollout may bring to the traffic. Decisions, evidence and model cards always stay. It may
    run beside a night, and again after a kill.

    [dim]Examples:[/]
      emotion models gc
      emotion models gc --days 90 --delete
    """
    opened, before = open_store(store), time.time() - days * DAY_SECONDS
    _show(survey(opened, before))
    if delete:
        removed = collect(opened, before)
        console.print(f"removed {_amount(removed)}", soft_wrap=True)
    else:
        console.print("nothing was removed; --delete removes what goes", soft_wrap=True)


def _show(found: list[Standing]) -> None:
    table = Table("what", "name", "MB", "", "kept for", box=None, header_style="bold")
    table.columns[2].justify = "right"
    for standing in sorted(found, key=lambda one: bool(one.kept_for)):
        word = "stays" if standing.kept_for else "[yellow]goes[/]"
        table.add_row(
            standing.kind,
            _name(standing),
            f"{standing.bytes / 1e6:.1f}",
            word,
            ", ".join(standing.kept_for),
        )
    console.print(table)
    console.print(f"garbage: {_amount([one for one in found if not one.kept_for])}", soft_wrap=True)


def _name(standing: Standing) -> str:
    """As people meet it elsewhere: a version with its model, the others by their first digits."""
    return (
        f"{standing.key.split('/')[1]} {standing.name}"
        if standing.kind == "version"
        else standing.name[:16]
    )


def _amount(found: list[Standing]) -> str:
    kinds = [
        (kind, sum(one.kind == kind for one in found))
        for kind in ("version", "snapshot", "checkpoint")
    ]
    counted = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds)
    return f"{counted}; {sum(one.bytes for one in found) / 1e6:,.1f} MB"
