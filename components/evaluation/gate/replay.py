"""Judge past runs again from what their gate kept: what would have changed?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.evaluation.gate import archive
from components.evaluation.gate.decide import decide
from components.shared.errors import ContractError, EmotionError
from components.shared.findings import Evidence, Verdict
from components.shared.preset import GatePolicy
from components.shared.serialization import from_json, from_plain, plain
from components.shared.store import keys
from components.shared.store.interface import Store


@dataclass(frozen=True)
class Replayed:
    """One run, judged again.

    Attributes:
        was: the word that the run got, empty where its evidence is gone. now: the word under the
            policy asked for, empty where what was kept can't tell.
        reasons: of the new verdict, or why there is none.
    """

    run_id: str
    challenger: str
    was: str
    now: str
    reasons: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the verdict is another one than the run had."""
        return self.was != self.now


def replay(store: Store, changes: Mapping[str, Any], cache: Path) -> Iterator[Replayed]:
    """Judge every run of which the store keeps a case, in the order of their names.

    Args:
        changes: fields of the gate policy to be other than each run's own.

    Raises:
        InputError: a field that the policy hasn't, or a value out of range.
    """
    for key in store.list("runs"):
        parts = key.split("/")
        if parts[2:] == ["evaluation", archive.MARKER]:
            yield _again(store, parts[1], changes, cache)


def _again(store: Store, run_id: str, changes: Mapping[str, Any], cache: Path) -> Replayed:
    try:
        folder, case = archive.fetch(store, run_id, cache)
    except EmotionError as error:  # kept by an earlier version of the gate
        return Replayed(run_id, "", _was(store, run_id), "", (str(error),))
    policy = from_plain(GatePolicy, {**plain(case.policy), **changes}, "gate policy")
    challenger, was = case.versions["challenger"], _was(store, run_id)
    try:
        verdict = decide(archive.case_of(folder, archive.under(case, policy)))
    except ContractError as error:
        return Replayed(run_id, challenger, was, "", (str(error),))
    return Replayed(run_id, challenger, was, verdict.word, verdict.reasons)


def _was(store: Store, run_id: str) -> str:
    content = store.read(keys.evidence(run_id, "gate"))
    if content is None:
        return ""
    findings = from_json(Evidence, content, f"evidence of {run_id}").findings
    return from_plain(Verdict, findings, f"verdict of {run_id}").word if findings else ""


def table(runs: list[Replayed]) -> Iterator[str]:
    """Yield the answer for people, line by line."""
    if not runs:
        yield "The store keeps no case to judge again; a run keeps one when its gate has judged."
        return
    width = max(len(run.run_id) for run in runs)
    for run in runs:
        mark = "->" if run.changed else "  "
        yield (
            f"{run.run_id:<{width}}  {run.was or '(unknown)':<14} {mark}"
            f" {run.now or 'cannot be told' if run.changed else 'the same':<14}"
        )
        if run.changed:
            yield from (f"{'':<{width}}  {reason}" for reason in run.reasons)
    yield ""
    yield f"{sum(run.changed for run in runs)} of {len(runs)} verdicts would change."
