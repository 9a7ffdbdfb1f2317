"""What a promotion changes, decided from what the registry holds."""

from __future__ import annotations

from dataclasses import dataclass

from components.contracts.artifacts import ModelManifest
from components.contracts.errors import ConflictError, ContractError
from components.contracts.findings import Verdict
from components.contracts.night import Pointer


@dataclass(frozen=True)
class Promotion:
    """One change of champion. It is recorded before the champion moves, so that a rerun can finish the rest.

    Attributes:
        champion: the pointer to be set. previous: the one it replaces, if any.
    """

    champion: Pointer
    previous: Pointer | None


def require_blessing(verdict: Verdict, manifest: ModelManifest, model_name: str) -> None:
    """Refuse whatever the gate didn't bless.

    Raises:
        ContractError: another word than blessed, or a verdict on another model or version.
    """
    if verdict.word != "blessed":
        raise ContractError(
            "this model may not be deployed", expected="the verdict blessed", received=verdict.word, fix="; ".join(verdict.reasons)
        )
    names = {verdict.model_name, manifest.model_name, model_name}
    if len(names) > 1:
        raise ContractError(
            "verdict, model and preset name different models",
            expected=model_name,
            received=f"verdict on {verdict.model_name}, model {manifest.model_name}",
            fix="pass the artifacts of one run",
        )
    if verdict.challenger != manifest.version:
        raise ContractError(
            "the verdict is about another version",
            expected=f"a verdict on {manifest.version}",
            received=f"one on {verdict.challenger}",
            fix="run the gate again on this model",
        )


def decide(current: Pointer | None, recorded: Promotion | None, judged_against: str | None, wanted: Pointer) -> Promotion | None:
    """The promotion to carry out, or None when nothing has to change.

    Args:
        current: the champion now.
        recorded: the promotion that made ``current`` the champion, if one is on record.
        judged_against: version of the champion that the verdict names, if any.
        wanted: the pointer to the new version.

    Raises:
        ConflictError: someone else's version is the champion.
    """
    if current is not None and current.version == wanted.version:
        return recorded if recorded is not None and recorded.champion == current else None
    if (current.version if current else None) == judged_against:
        return Promotion(wanted, current)
    raise ConflictError(
        "the champion is not the one that this model was judged against",
        expected=judged_against or "no champion",
        received=f"{current.version}, since {current.since} by run {current.run_id}" if current else "no champion",
        fix="run again: the next run compares with the champion that stands there now",
    )
