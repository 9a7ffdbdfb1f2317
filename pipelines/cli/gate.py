"""`emotion gate`: what the gate's margin costs, and past verdicts under another policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from components.shared.errors import InputError
from components.shared.preset import GatePolicy
from components.shared.serialization import from_plain, plain, to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from pipelines import presets
from pipelines.cli.hints import Group
from pipelines.cli.terminal import Store
from pipelines.local.environments import run_component

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="What the gate's margin costs, and past verdicts under another policy.",
)

Policy = Annotated[
    Path | None,
    typer.Option(
        help='JSON file with the fields of the gate policy that differ, such as {"margin": 0.01}.'
    ),
]


@app.command()
def plan(
    preset: Annotated[str, typer.Option(help="Whose gate policy.")] = presets.DEFAULT,
    policy: Policy = None,
    rows: Annotated[
        int,
        typer.Option(min=0, help="Test rows. Without it those that the preset's gate met last."),
    ] = 0,
    store: Store = "store",
) -> None:
    """Print which margins so many test rows resolve, and how often an equal and a worse model pass.

    [dim]Examples:[/]
      emotion gate plan --preset fer2013-cnn --rows 3589
      emotion gate plan --policy margins.json --rows 900
    """
    chosen = presets.preset(preset)
    wanted = from_plain(GatePolicy, {**plain(chosen.gate), **_fields(policy)}, "gate policy")
    met = rows or _rows_met(store, chosen.model_name)
    raise typer.Exit(
        run_component("evaluation", ["plan", "--policy", to_json(wanted), "--rows", str(met)])
    )


@app.command()
def replay(policy: Policy = None, store: Store = "store") -> None:
    """Judge every past run again from its stored predictions: what would have changed?

    Without --policy each run's own policy judges, so only a change of the gate's code shows.

    [dim]Examples:[/]
      emotion gate replay
      emotion gate replay --policy stricter.json
    """
    raise typer.Exit(
        run_component(
            "evaluation", ["replay", "--store", store, "--changes", json.dumps(_fields(policy))]
        )
    )


def _fields(policy: Path | None) -> dict[str, Any]:
    if policy is None:
        return {}
    try:
        fields = json.loads(policy.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"the policy {policy} can't be read ({error})", expected="a JSON file"
        ) from error
    if not isinstance(fields, dict):
        raise InputError(
            f"the policy {policy} holds no fields",
            expected='an object such as {"margin": 0.01}',
            received=type(fields).__name__,
        )
    return fields


def _rows_met(store: str, model_name: str) -> int:
    content = open_store(store).read(keys.looks(model_name))
    looks = json.loads(content)["looks"] if content else []
    if not looks:
        raise InputError(
            f"no gate has met test rows of {model_name} yet",
            expected="--rows",
            fix="say how many test rows there are",
        )
    return int(looks[-1]["rows"])
