"""What a promotion, an approval, a rejection and a rollback change: pointers in, pointers out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from components.shared.artifacts.contract import ModelManifest
from components.shared.errors import ConflictError, ContractError, InputError
from components.shared.findings import Verdict
from components.shared.records import Action, Decision, Pointers
from components.shared.run_plan import Pointer

GATE = "gate"
ROLLOUT = "rollout"
REGISTRY = "registry"


@dataclass(frozen=True)
class Signed:
    """Who changes the registry, why and when (UTC, ISO 8601).

    Raises:
        InputError: nobody is named, or no reason.
    """

    by: str
    why: str
    at: str

    def __post_init__(self) -> None:
        for name in ("by", "why"):
            if not getattr(self, name).strip():
                raise InputError(
                    f"a decision needs to say {'who takes it' if name == 'by' else 'why'}",
                    fix=f"pass --{name} with some text",
                )


def require_word(word: str, verdict: Verdict, manifest: ModelManifest, model_name: str) -> None:
    """Refuse a model that the gate gave another word, or a verdict that isn't about this very model.

    Raises:
        ContractError: another word, or a verdict on another model or version.
    """
    if verdict.word != word:
        raise ContractError(
            "this model may not be"
            f" {'deployed' if word == 'blessed' else 'registered for approval'}",
            expected=f"the verdict {word}",
            received=verdict.word,
            fix="; ".join(verdict.reasons),
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


def promoted(
    now: Pointers, verdict: Verdict, run_id: str, signed: Signed, *, awaits_rollout: bool = False
) -> Pointers:
    """Return the pointers with the gate's blessing carried out.

    A version that is the champion already stays so, whoever made it that.

    Args:
        awaits_rollout: whether a rollout has yet to bring it to the traffic; only then may it
            become the anchor.

    Raises:
        ConflictError: champion or anchor isn't the one that the verdict names, this very version
            was rolled back, or garbage collection removes it.
    """
    version = verdict.challenger
    if now.champion is not None and now.champion.version == version:
        return now
    if version in now.withdrawn:
        raise ConflictError(
            f"{version} was rolled back, so the gate's word isn't enough for it",
            fix=f"`emotion models promote {version} --why ...` makes it champion again",
        )
    return _crowned(
        now,
        verdict,
        run_id,
        decided(now, "promote", version, run_id, signed),
        awaits_rollout=awaits_rollout,
    )


def approved(
    now: Pointers, verdict: Verdict, run_id: str, signed: Signed, *, awaits_rollout: bool = False
) -> Pointers:
    """Return the pointers after a person's yes to a version that needs approval.

    Arguments and errors as `promoted` has them.
    """
    decision = decided(now, "approve", verdict.challenger, run_id, signed)
    if now.champion is not None and now.champion.version == verdict.challenger:
        return changed(now, decision=decision)
    return _crowned(now, verdict, run_id, decision, awaits_rollout=awaits_rollout)


def served(now: Pointers, version: str, signed: Signed) -> Pointers:
    """Return the pointers for a version that has all of the traffic.

    The anchor from now on, where its promotion claimed so.
    """
    candidate = now.anchor_candidate
    if candidate is None or candidate.version != version:
        return now
    decision = decided(now, "anchor", version, candidate.run_id, signed)
    return changed(
        now, anchor=candidate, anchor_before=now.anchor, anchor_candidate=None, decision=decision
    )


def mended(now: Pointers, signed_at: str) -> Pointers:
    """Return the pointers of an earlier version of this code, whose anchor was sent back, with a decision that says so. Else as they are."""
    anew = now.mended()
    if anew == now or now.anchor is None:
        return now
    word = (
        f"{now.anchor.version} was sent back and can't be the anchor;"
        f" {anew.anchor.version if anew.anchor else 'none'} is"
    )
    about = anew.anchor or now.anchor
    return changed(
        anew,
        decision=decided(
            now, "anchor", about.version, about.run_id, Signed(REGISTRY, word, signed_at)
        ),
    )


def rejected(now: Pointers, verdict: Verdict, run_id: str, signed: Signed) -> Pointers:
    """Return the pointers after a person's no: it is recorded, and none moves."""
    return changed(now, decision=decided(now, "reject", verdict.challenger, run_id, signed))


def rolled_back(now: Pointers, signed: Signed, serving: Pointer | None = None) -> Pointers:
    """Return the pointers with the previous champion as champion again.

    The gate can't bring back what was withdrawn, which is the anchor no longer: the one before it
    is, else the champion, once it has had all of the traffic.

    Args:
        serving: what the last rollout proved to serve; None where no cluster serves.

    Raises:
        InputError: there is no previous champion.
    """
    if now.champion is None or now.previous is None:
        stands = (
            f"{now.champion.version} is champion since {now.champion.since}"
            if now.champion
            else "there is no champion"
        )
        raise InputError(
            "there is no previous champion to go back to",
            received=stands,
            fix=(
                "`emotion models promote VERSION --why ...` makes an earlier champion champion"
                " again; `emotion models list` shows them"
            ),
        )
    away = now.champion.version
    anew = changed(
        now,
        champion=replace(now.previous, since=signed.at),
        previous=None,
        withdrawn=(*(version for version in now.withdrawn if version != away), away),
        anchor_candidate=None,
        decision=decided(now, "rollback", now.previous.version, now.previous.run_id, signed),
    ).mended()
    champion, anchor = anew.champion, anew.anchor
    risen = anchor is not None and anchor != now.anchor and anchor != now.anchor_before
    if risen and serving is not None and champion and champion.version != serving.version:
        return replace(anew, anchor=None, anchor_candidate=champion)
    return anew


def withdrawn(now: Pointers, version: str, serving: Pointer | None, signed: Signed) -> Pointers:
    """Return the pointers without what a rollout sent back.

    The champion is ``serving``, which has the traffic again, or none.

    That needn't be the previous champion, which may never have served. The gate can't bring the
    version back, and it is no anchor. A version that isn't champion changes nothing.
    """
    if now.champion is None or now.champion.version != version:
        return now
    if (
        serving and serving.version in now.withdrawn
    ):  # sent back by a person before, and has the traffic again
        spared = tuple(other for other in now.withdrawn if other != serving.version)
        return withdrawn(replace(now, withdrawn=spared), version, serving, signed)
    return changed(
        now,
        champion=replace(serving, since=signed.at) if serving else None,
        previous=None,
        withdrawn=(*(other for other in now.withdrawn if other != version), version),
        anchor_candidate=None,
        decision=decided(now, "withdraw", version, now.champion.run_id, signed),
    ).mended()


def reinstated(now: Pointers, version: str, run_id: str, signed: Signed) -> Pointers:
    """Return the pointers with an earlier champion as champion again, because a person says so.

    The anchor stays, and no other one is waited for.

    Raises:
        ConflictError: garbage collection removes it.
    """
    if now.champion is not None and now.champion.version == version:
        return now
    require_spared(now, version)
    return changed(
        now,
        champion=Pointer(version, run_id, signed.at),
        previous=now.champion,
        withdrawn=tuple(kept for kept in now.withdrawn if kept != version),
        anchor_candidate=None,
        decision=decided(now, "promote", version, run_id, signed),
    )


def require_spared(now: Pointers, version: str) -> None:
    """Raise ConflictError where garbage collection removes a version.

    Half of its files may be gone already.
    """
    mark = next((mark for mark in now.condemned if mark.version == version), None)
    if mark is not None:
        raise ConflictError(
            f"garbage collection has condemned {version} on {mark.at}",
            fix="an hour after that `emotion models gc --delete` lifts it, then run again",
        )


def decided(now: Pointers, action: Action, version: str, run_id: str, signed: Signed) -> Decision:
    """Return the decision after the latest one."""
    number = now.decision.number + 1 if now.decision else 1
    return Decision(
        number, action, version, run_id, _version(now.champion), signed.by, signed.why, signed.at
    )


def changed(now: Pointers, **changes: Any) -> Pointers:
    """``now`` with some fields changed and the next revision."""
    return replace(now, **changes, revision=now.revision + 1)


def _crowned(
    now: Pointers, verdict: Verdict, run_id: str, decision: Decision, *, awaits_rollout: bool
) -> Pointers:
    version = verdict.challenger
    require_spared(now, version)
    _require_judged_against("champion", now.champion, verdict.champion)
    _require_judged_against("anchor", now.anchor, verdict.anchor)
    champion = Pointer(version, run_id, decision.at)
    rises = now.anchor is None or verdict.better_than_anchor
    at_once = rises and not awaits_rollout
    return changed(
        now,
        champion=champion,
        previous=now.champion,
        anchor=champion if at_once else now.anchor,
        anchor_before=now.anchor if at_once else now.anchor_before,
        anchor_candidate=champion if rises and awaits_rollout else None,
        withdrawn=tuple(kept for kept in now.withdrawn if kept != version),
        decision=decision,
    )


def _require_judged_against(role: str, stands: Pointer | None, named: str | None) -> None:
    if _version(stands) != named:
        raise ConflictError(
            f"the {role} is not the one that this model was judged against",
            expected=named or f"no {role}",
            received=(
                f"{stands.version}, since {stands.since} by run {stands.run_id}"
                if stands
                else f"no {role}"
            ),
            fix=f"run again: the next run compares with the {role} that stands there now",
        )


def _version(pointer: Pointer | None) -> str | None:
    return pointer.version if pointer else None
