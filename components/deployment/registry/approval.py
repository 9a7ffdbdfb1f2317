"""Versions that the gate leaves to a person.

Asked, then approved or rejected, with a name and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.deployment.registry.promotion import Signed, approved, rejected
from components.deployment.registry.registry import Registry
from components.shared.errors import ContractError, UnknownNameError
from components.shared.findings import Verdict
from components.shared.records import ApprovalRequest, Decision, Pointers
from components.shared.serialization import from_json, to_pretty_json
from components.shared.step.preset_argument import preset_of_run
from components.shared.store import keys

ANSWERS = ("approve", "reject")


@dataclass(frozen=True)
class Asked:
    """A request with its answer, if a person gave one."""

    request: ApprovalRequest
    answer: Decision | None

    def still_counts(self, now: Pointers) -> bool:
        """Whether a yes would promote: champion and anchor are those that the verdict names."""
        verdict = self.request.verdict
        stands = tuple(
            pointer.version if pointer else None for pointer in (now.champion, now.anchor)
        )
        return self.answer is None and stands == (verdict.champion, verdict.anchor)


def ask(registry: Registry, run_id: str, verdict: Verdict, at: str) -> None:
    """Record that a version, which is in the registry already, waits for a person.

    Doing it again changes nothing.

    A run that judged the same version anew asks anew.
    """
    key = keys.request(registry.name, run_id, verdict.challenger)
    content = registry.store.read(key)
    if content is None or from_json(ApprovalRequest, content, key).verdict != verdict:
        latest = registry.pointers().decision
        request = ApprovalRequest(run_id, verdict, at, latest.number if latest else 0)
        registry.store.compare_and_set(key, content, to_pretty_json(request).encode())


def requests(registry: Registry) -> list[Asked]:
    """Every request with its answer, the oldest first."""
    names = [
        key for key in registry.store.list(keys.requests(registry.name)) if key.endswith(".json")
    ]
    found = [from_json(ApprovalRequest, registry.store.read(key) or b"", key) for key in names]
    decisions = (
        list(registry.decisions(min((request.decisions for request in found), default=0)))
        if found
        else []
    )
    return [
        Asked(request, _answer(request, decisions))
        for request in sorted(found, key=lambda request: request.asked_at)
    ]


def find(registry: Registry, which: str) -> Asked:
    """Return the latest request of a run, or about a version (also its first digits).

    Raises:
        UnknownNameError: nothing was asked about it.
    """
    asked = requests(registry)
    named = [
        one
        for one in asked
        if which == one.request.run_id
        or (which and one.request.verdict.challenger.startswith(which))
    ]
    if not named:
        known = {one.request.run_id for one in asked} | {
            one.request.verdict.challenger for one in asked
        }
        raise UnknownNameError("run or version that needs approval", which, known)
    return named[-1]


def approve(registry: Registry, request: ApprovalRequest, signed: Signed) -> Pointers:
    """Promote the version that a person says yes to. Doing it again changes nothing.

    Raises:
        ConflictError: champion or anchor isn't the one that the verdict names, or garbage
            collection removes the version.
        ContractError: the request was rejected, or the version isn't in the registry.
    """

    def step(now: Pointers) -> Pointers:
        if _answered(registry, request, "approve"):
            return now
        new = approved(
            now,
            request.verdict,
            request.run_id,
            signed,
            awaits_rollout=_awaits_rollout(registry, request.run_id),
        )
        registry.require(request.verdict.challenger)
        return new

    return registry.change(step)


def _awaits_rollout(registry: Registry, run_id: str) -> bool:
    """Whether the run's preset rolls its versions out on a cluster.

    A run without a stored preset is taken by what serves.
    """
    preset = preset_of_run(registry.store, run_id)
    return registry.serving() is not None if preset is None else preset.serving.rollout is not None


def reject(registry: Registry, request: ApprovalRequest, signed: Signed) -> Pointers:
    """Record a person's no. Doing it again changes nothing.

    Raises ContractError when the request was approved.
    """

    def step(now: Pointers) -> Pointers:
        return (
            now
            if _answered(registry, request, "reject")
            else rejected(now, request.verdict, request.run_id, signed)
        )

    return registry.change(step)


def _answered(registry: Registry, request: ApprovalRequest, answer: str) -> bool:
    """Whether this answer was given. Raises ContractError for the other one."""
    given = _answer(request, list(registry.decisions(request.decisions)))
    if given is not None and given.action != answer:
        raise ContractError(
            f"run {request.run_id} was decided already",
            received=f"{given.action} by {given.by} at {given.at}: {given.why}",
            fix="a decision stays; the next run asks anew",
        )
    return given is not None


def _answer(request: ApprovalRequest, decisions: list[Decision]) -> Decision | None:
    about = (request.run_id, request.verdict.challenger)
    given = (
        one
        for one in decisions
        if one.number > request.decisions
        and one.action in ANSWERS
        and (one.run_id, one.version) == about
    )
    return next(given, None)
