"""What to do next: a pure function of what is under way, what is seen and what was measured.

While nothing is wrong (the first row that fits decides):

    phase         what is seen                                      next
    ------------  ------------------------------------------------  ----------------------------------------
    any forward   a person asked to abort                           go back
    any forward   a person asked to pause                           stop, as it is
    any forward   the deadline is over                              go back
    any forward   its pods fail (crash loop, no image, ...)         go back
    starting      not ready, or not routed to 0 %                   wait; go back after the ready timeout
    starting      ready                                             smoke test; wrong: go back
    starting      smoke test passed                                 shift to the first percentage
    shifting      no longer ready                                   go back
    shifting      routed traffic isn't the percentage yet           wait; go back after the ready timeout
    shifting      bad health                                        go back
    shifting      soak not over, or too little seen                 probe; go back after the step timeout
    shifting      good health, soak over                            next percentage; after 100: promote
    promoting     not ready, or not all routed                      wait; go back after the ready timeout
    promoting     all routed                                        smoke test again; wrong: go back
    promoting     smoke test passed, drain not over                 wait
    promoting     smoke test passed                                 serving, without the previous revision
    serving       not recorded                                      record that the new version serves
    serving       recorded                                          end
    rolling-back  new one without traffic, previous one ready       draining; rolled-back if it never had traffic
    rolling-back  otherwise                                         wait; write it again every so often
    draining      drain not over                                    wait
    draining      drain over                                        rolled-back, without the new revision
    rolled-back   not recorded                                      record the previous version, or that none serves
    rolled-back   recorded                                          end

There is no way from rolling-back but to rolled-back: it takes precedence over deadline, pause and
abort.

An HTTPRoute that is accepted in its current generation says that the gateway's controller took it,
not that each proxy routes by it: Gateway API has no such condition for routes ("Programmed" is of
Gateways and listeners, apis/v1/httproute_types.go). So a revision whose weight fell to 0 stays for
`DRAIN_SECONDS`: proxies take the change, requests under way end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from components.deployment.manifest.inference_service import REVISION_LABEL, VERSION_LABEL
from components.deployment.rollout.cluster import Seen
from components.deployment.rollout.health import Sample, error_bounds, judge
from components.deployment.rollout.state import FORWARD, Revision, Rollout
from components.shared.errors import ConflictError, InputError
from components.shared.findings import RolloutStep
from components.shared.statistics import percentile_95

WRITE_AGAIN_SECONDS = 30.0
DRAIN_SECONDS = 30.0

Outcome = Literal["serving", "rolled-back", "paused"]


@dataclass(frozen=True)
class Measured:
    """What was measured in the current phase and percentage.

    Kept in memory: a new driver measures anew.

    Attributes:
        smoke: whether the smoke test was made. since: when watching began; None before.
        recorded: whether the registry was told what serves.
    """

    sample: Sample = Sample()
    smoke: bool = False
    since: float | None = None
    recorded: bool = False


@dataclass(frozen=True)
class Wait:
    """Look again later. why: for the log."""

    why: str


@dataclass(frozen=True)
class Smoke:
    """Send every golden image to the new revision's own address."""


@dataclass(frozen=True)
class Probe:
    """Send some golden requests to both revisions, and read the counters of live ones."""


@dataclass(frozen=True)
class Move:
    """Make the cluster what this rollout means."""

    rollout: Rollout


@dataclass(frozen=True)
class Record:
    """Tell the registry how it ended: which version serves, and which was sent back."""


@dataclass(frozen=True)
class Stop:
    """End the rollout."""

    outcome: Outcome


Action = Wait | Smoke | Probe | Move | Record | Stop


def opening(wanted: Rollout, seen: Seen | None, *, again: bool) -> Rollout | None:
    """Return the rollout to begin with, or None when the one that stands there is to be continued.

    Args:
        wanted: as if nothing served. again: whether a person asked to try a version again that was
            rolled back.

    Raises:
        ConflictError: the InferenceService was made by something else.
        InputError: it has another deployment mode.
    """
    if seen is None:
        return wanted
    if seen.mode != wanted.mode:
        raise InputError(
            f"the InferenceService of {wanted.model_name} runs in another mode",
            expected=seen.mode,
            received=wanted.mode,
            fix="KServe can't change it: delete the service, or set serving.mode in the preset",
        )
    current = seen.rollout
    if current is None:
        return _adopted(wanted, seen)
    same = current.new.name == wanted.new.name
    if not current.ended:
        return (
            None
            if same or current.phase in ("rolling-back", "draining")
            else back(current, f"superseded by {wanted.new.version}", wanted.since)
        )
    if same and (current.phase == "serving" or not again):
        return None
    serving = current.serving
    if serving is not None and serving.name == wanted.new.name:
        return replace(
            wanted, phase="serving", percent=100, reason="it served already"
        )  # another one was sent back since
    if (
        serving is not None
        and seen.mode == "Standard"
        and seen.predictor.get("name") == serving.name
    ):
        serving = replace(
            serving, predictor=seen.predictor
        )  # with what a person may have changed since
    return replace(wanted, previous=serving)


def decide(
    rollout: Rollout, seen: Seen, measured: Measured, now: float, *, overdue: bool
) -> Action:
    """Return the next action; the table above."""
    if rollout.phase == "rolling-back":
        return _return(rollout, seen, now)
    if rollout.phase == "draining":
        return (
            Wait("requests under way end")
            if _drains(rollout, now)
            else Move(replace(rollout, phase="rolled-back", since=now))
        )
    if rollout.phase == "serving":
        return Stop("serving") if measured.recorded else Record()
    if rollout.phase == "rolled-back":
        return Stop("rolled-back") if measured.recorded else Record()
    asked = requested(seen, rollout)
    if asked == "abort":
        return Move(back(rollout, "a person aborted it", now))
    if asked == "pause":
        return Stop("paused")
    if overdue:
        return Move(back(rollout, f"not done within {rollout.policy.deadline_seconds:.0f} s", now))
    if seen.new.failure:
        return Move(back(rollout, seen.new.failure, now))
    if rollout.phase == "shifting":
        return _shift(rollout, seen, measured, now)
    return _try(rollout, seen, measured, now)


def back(rollout: Rollout, reason: str, now: float) -> Rollout:
    """Return the rollout on its way back."""
    held = 100 if rollout.phase == "promoting" else rollout.percent
    return replace(
        rollout,
        phase="rolling-back",
        percent=0,
        since=now,
        attempt=1,
        reason=reason,
        held_percent=held,
    )


def requested(seen: Seen, rollout: Rollout) -> str:
    """``pause``, ``abort`` or "": what a person asked of this rollout.

    Requests of earlier ones don't count.
    """
    word, _, revision = seen.request.partition(" ")
    return word if rollout.phase in FORWARD and revision == rollout.new.name else ""


def _try(rollout: Rollout, seen: Seen, measured: Measured, now: float) -> Action:
    """Return starting and promoting: ready, routed as wanted, then the smoke test."""
    share = rollout.percent if rollout.phase == "starting" else 100
    missing = _missing(
        seen, share, needs_route=rollout.previous is not None or rollout.phase == "promoting"
    )
    if missing:
        return _wait(rollout, missing, now)
    if not measured.smoke:
        return Smoke()
    if measured.sample.wrong:
        return Move(back(rollout, f"smoke test: {measured.sample.wrong}", now))
    if rollout.phase == "promoting":
        if rollout.previous is not None and _drains(rollout, now):
            return Wait("the previous version ends its requests")
        return Move(replace(rollout, phase="serving", since=now, reason="every check passed"))
    steps = (*rollout.steps, _step(replace(rollout, percent=0), measured, now))
    return Move(
        replace(rollout, phase="shifting", percent=rollout.percentages[0], since=now, steps=steps)
    )


def _shift(rollout: Rollout, seen: Seen, measured: Measured, now: float) -> Action:
    if not seen.new.ready:
        return Move(back(rollout, f"no longer ready at {rollout.percent} %", now))
    if seen.share != rollout.percent:
        return _wait(rollout, _missing(seen, rollout.percent, needs_route=True), now)
    verdict = judge(measured.sample, rollout.policy)
    if verdict.word == "bad":
        steps = (*rollout.steps, _step(rollout, measured, now))
        return Move(
            back(replace(rollout, steps=steps), f"at {rollout.percent} %: {verdict.reason}", now)
        )
    watched = now - (measured.since if measured.since is not None else now)
    if verdict.word == "unknown" or watched < rollout.policy.soak_seconds:
        if watched > max(rollout.policy.step_timeout_seconds, rollout.policy.soak_seconds):
            return Move(back(rollout, f"at {rollout.percent} %: {verdict.reason}", now))
        return Probe()
    steps = (*rollout.steps, _step(rollout, measured, now))
    later = [percent for percent in rollout.percentages if percent > rollout.percent]
    if later:
        return Move(replace(rollout, percent=later[0], since=now, steps=steps))
    return Move(replace(rollout, phase="promoting", percent=100, since=now, steps=steps))


def _return(rollout: Rollout, seen: Seen, now: float) -> Action:
    if rollout.previous is not None:
        done = seen.share == 0 and seen.previous.ready
        missing = _missing_of_previous(seen)
    else:
        done, missing = seen.new.replicas == 0, "waiting for the pods to go"
    if done:
        had_traffic = rollout.held_percent > 0 and rollout.previous is not None
        return Move(replace(rollout, phase="draining" if had_traffic else "rolled-back", since=now))
    if now - rollout.since > WRITE_AGAIN_SECONDS:
        return Move(replace(rollout, since=now, attempt=rollout.attempt + 1))
    return Wait(missing)


def _drains(rollout: Rollout, now: float) -> bool:
    """Whether a gateway may still send requests to the revision without traffic.

    Knative keeps both revisions.
    """
    return rollout.mode == "Standard" and now - rollout.since < DRAIN_SECONDS


def _wait(rollout: Rollout, missing: str, now: float) -> Action:
    limit = rollout.policy.ready_timeout_seconds
    if now - rollout.since > limit:
        return Move(back(rollout, f"{missing} for {limit:.0f} s", now))
    return Wait(missing)


def _missing(seen: Seen, share: int, *, needs_route: bool) -> str:
    if not seen.new.ready:
        return "not ready"
    if not needs_route or seen.share == share:
        return ""
    return (
        "no accepted route"
        if seen.share is None
        else f"routed {seen.share} % of the traffic instead of {share} %"
    )


def _missing_of_previous(seen: Seen) -> str:
    if not seen.previous.ready:
        return "the previous version isn't ready"
    return (
        "no accepted route"
        if seen.share is None
        else f"{seen.share} % of the traffic is still routed to the new version"
    )


def _step(rollout: Rollout, measured: Measured, now: float) -> RolloutStep:
    sample = measured.sample
    return RolloutStep(
        percent=rollout.percent,
        seconds=round(now - rollout.since, 3),
        requests=sample.requests,
        errors=sample.errors,
        live_requests=sample.live_requests,
        error_rate_bound=error_bounds(sample.errors, sample.requests)[1],
        p95_milliseconds=percentile_95(sample.milliseconds),
        previous_p95_milliseconds=percentile_95(sample.previous_milliseconds),
    )


def _adopted(wanted: Rollout, seen: Seen) -> Rollout:
    """Return a service that was applied by hand from this project's manifest."""
    labels = seen.predictor.get("labels") or {}
    revision, version = labels.get(REVISION_LABEL), labels.get(VERSION_LABEL)
    if (
        not revision
        or not version
        or (seen.mode == "Standard" and seen.predictor.get("name") != revision)
    ):
        raise ConflictError(
            f"the InferenceService of {wanted.model_name} in {wanted.namespace} was made by"
            " something else",
            expected=f"labels {VERSION_LABEL} and {REVISION_LABEL} on its predictor",
            fix="delete it, or choose another serving.namespace",
        )
    if revision == wanted.new.name:
        return wanted
    return replace(wanted, previous=Revision(revision, version, seen.predictor))
