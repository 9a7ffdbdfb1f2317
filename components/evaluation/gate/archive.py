"""What the gate of a run judged, kept in the store so that it can be judged again.

Tables, and everything else in one file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from components.evaluation.gate.case import Case
from components.evaluation.gate.checks.prescreen import stops
from components.evaluation.scoring import tables
from components.shared.artifacts.contract import LAYOUT_VERSION, write_atomically
from components.shared.errors import ContractError
from components.shared.findings import ServingFindings
from components.shared.preset import GatePolicy
from components.shared.serialization import from_json, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import Store

MARKER = "case.json"


@dataclass(frozen=True)
class Kept:
    """All of a case but its tables.

    Attributes:
        versions: by role. look, test_set: from the ledger; look 0 where the test rows weren't met.
    """

    layout_version: int
    model_name: str
    labels: tuple[str, ...]
    versions: dict[str, str]
    serving: ServingFindings
    policy: GatePolicy
    look: int
    test_set: str


def case_of(folder: Path, kept: Kept) -> Case:
    """Return the case of a folder of tables.

    A challenger that the pre-screen stops has no test rows in it, whatever the folder holds.
    """
    answers = tables.read_answers(folder, kept.labels, list(kept.versions), kept.policy.slices)
    held_out = answers.get("validation")
    test = None if stops(held_out, kept.policy.margin) else answers.get("test")
    return Case(
        kept.model_name,
        kept.labels,
        kept.versions,
        held_out,
        test,
        kept.serving,
        kept.policy,
        max(1, kept.look),
        kept.test_set,
    )


def keep(store: Store, run_id: str, folder: Path, kept: Kept, scratch: Path) -> None:
    """Copy the tables of an evaluation artifact, and the case, to the run's place in the store.

    Does nothing the second time.
    """
    tree = scratch / "kept"
    tree.mkdir()
    for path in [folder / tables.ROWS, *sorted(folder.glob("predictions-*.parquet"))]:
        shutil.copy(path, tree / path.name)
    write_atomically(tree / MARKER, to_pretty_json(kept).encode())
    store.put_tree(tree, keys.evaluation(run_id), MARKER)


def fetch(store: Store, run_id: str, cache: Path) -> tuple[Path, Kept]:
    """Return the tables of a run, and all else of its case.

    Raises:
        ContractError: nothing is kept of that run, or it is of another layout.
    """
    folder = store.get_tree(keys.evaluation(run_id), MARKER, cache)
    kept = from_json(Kept, (folder / MARKER).read_bytes(), f"the case of {run_id}")
    if kept.layout_version != LAYOUT_VERSION:
        raise ContractError(
            f"the case of {run_id} has another layout",
            expected=f"version {LAYOUT_VERSION}",
            received=str(kept.layout_version),
        )
    return folder, kept


def under(kept: Kept, policy: GatePolicy) -> Kept:
    """Return the same case under another policy."""
    return replace(kept, policy=policy)
