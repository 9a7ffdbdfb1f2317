"""The loop: look, decide, do, until the rollout has ended, is paused, or can't be driven on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from components.deployment.rollout.cluster import Cluster, ClusterUnreachable, Overtaken, Seen
from components.deployment.rollout.health import requests_needed
from components.deployment.rollout.machine import (
    Measured,
    Move,
    Probe,
    Record,
    Smoke,
    Stop,
    Wait,
    back,
    decide,
    opening,
)
from components.deployment.rollout.probes import Prober
from components.deployment.rollout.state import FORWARD, Revision, Rollout
from components.shared.errors import ConflictError, ContractError, EnvironmentProblem
from components.shared.findings import RolloutFindings
from components.shared.preset import RolloutPolicy

MARGIN = (
    1.2  # golden requests over what an error-free step needs, so that the soak's end finds enough
)


class Clock(Protocol):
    """Time as a rollout sees it; tests have their own."""

    def now(self) -> float:
        """Return the time in seconds since the epoch (UTC)."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Tools:
    """What the driver works with.

    Attributes:
        record: tells the registry how a rollout ended; doing it again changes nothing.
        tell: shows a person what goes on, a line at a time.
    """

    cluster: Cluster
    prober: Prober
    record: Callable[[Rollout], None]
    clock: Clock = SystemClock()
    tell: Callable[[str], None] = lambda line: None


def drive(tools: Tools, wanted: Rollout | None = None, *, again: bool = False) -> RolloutFindings:
    """Bring a version to the traffic, or the traffic back; return how it ended.

    Args:
        wanted: the version to bring, as if nothing served; None continues what stands in the
            cluster.
        again: try a version once more that was rolled back.

    Raises:
        EnvironmentProblem: the cluster can't be reached or changed until the deadline. Run it
            again: it continues from what the cluster says.
        ConflictError: the InferenceService was made by something else, or another rollout took over
            from this one.
    """
    return _Driver(tools, wanted, again).run()


class _Driver:
    def __init__(self, tools: Tools, wanted: Rollout | None, again: bool) -> None:
        self._tools = tools
        self._wanted = wanted
        self._again = again
        self._policy = wanted.policy if wanted else RolloutPolicy()
        self._began = tools.clock.now()
        self._place: tuple[str, str, int] | None = None
        self._measured = Measured()
        self._told = ""
        self._ours = ""

    def run(self) -> RolloutFindings:
        trouble = ""
        while True:
            try:
                ended = self._turn()
                trouble = ""
                if ended is not None:
                    return ended
            except (ClusterUnreachable, Overtaken) as error:
                trouble = str(error)
                self._say(trouble)
                self._pause()
            self._give_up(trouble)

    def _turn(self) -> RolloutFindings | None:
        """One look and what follows from it.

        The findings once the rollout has ended or is paused.
        """
        clock = self._tools.clock
        seen = self._tools.cluster.look()
        if self._ours:
            self._require_ours(seen)
        elif self._wanted is not None:
            begin = opening(
                replace(self._wanted, since=clock.now(), started=clock.now()),
                seen,
                again=self._again,
            )
            if begin is not None:
                self._move(begin, seen)
                return None
        if seen is None or seen.rollout is None:
            raise EnvironmentProblem(
                "there is no rollout to continue", fix="the deploy step of a run begins one"
            )
        rollout = seen.rollout
        if self._wanted is None or self._wanted.new.name == rollout.new.name:
            self._ours = rollout.new.name
        self._policy = rollout.policy
        self._arrive(rollout)
        overdue = clock.now() - self._began > rollout.policy.deadline_seconds
        action = decide(rollout, seen, self._measured, clock.now(), overdue=overdue)
        if isinstance(action, Stop):
            return _findings(rollout, action, seen, clock.now())
        if isinstance(action, Move):
            self._move(action.rollout, seen)
        elif isinstance(action, Record):
            self._tools.record(rollout)
            self._measured = replace(self._measured, recorded=True)
            self._tidy(rollout)
        elif isinstance(action, Smoke):
            self._say("smoke test")
            self._measured = replace(
                self._measured, sample=self._tools.prober.smoke(rollout), smoke=True
            )
        elif isinstance(action, Probe):
            self._probe(rollout)
        elif isinstance(action, Wait):
            self._say(f"waiting: {action.why}")
            self._pause()
        return None

    def _require_ours(self, seen: Seen | None) -> None:
        """Leave the cluster to whoever took over from the rollout that is driven here."""
        theirs = seen.rollout if seen else None
        if theirs is not None and theirs.new.name == self._ours:
            return
        if theirs is not None and theirs.ended:
            self._tools.record(theirs)  # what was recorded here a moment ago may be older
        raise ConflictError(
            f"another rollout took over from that of {self._ours}",
            received=(
                f"{theirs.new.version}, {theirs.phase}"
                if theirs
                else "no rollout on the cluster any more"
            ),
            fix="look at `emotion rollout status`",
        )

    def _move(self, rollout: Rollout, seen: Seen | None) -> None:
        version = seen.resource_version if seen else None
        try:
            self._tools.cluster.apply(rollout, version)
        except ContractError as refused:
            under_way = seen.rollout if seen else None
            if under_way is None or under_way.phase not in FORWARD:
                raise
            # A cluster that refuses the next step still takes the way back.
            self._tools.cluster.apply(
                back(under_way, str(refused), self._tools.clock.now()), version
            )
        self._again = False  # the next time that this revision is seen rolled back, it just was

    def _probe(self, rollout: Rollout) -> None:
        clock, policy = self._tools.clock, rollout.policy
        if self._measured.since is None:
            self._measured = replace(self._measured, since=clock.now())
        looks = max(1, math.floor(policy.soak_seconds / policy.poll_seconds))
        requests = max(1, math.ceil(requests_needed(policy.max_error_rate) * MARGIN / looks))
        self._measured = replace(
            self._measured,
            sample=self._measured.sample + self._tools.prober.probe(rollout, requests),
        )
        self._pause()

    def _tidy(self, rollout: Rollout) -> None:
        """Remove what KServe leaves behind.

        It harms nobody: the rollout has ended whether that can be removed or not.
        """
        try:
            if count := self._tools.cluster.remove_leftovers(rollout):
                self._say(f"{count} autoscaler(s) of revisions that are gone were removed")
        except EnvironmentProblem as error:
            self._say(f"autoscalers of revisions that are gone stay: {error}")

    def _arrive(self, rollout: Rollout) -> None:
        """In another phase or percentage than before, measuring begins anew."""
        place = (rollout.new.name, rollout.phase, rollout.percent)
        if place != self._place:
            self._place, self._measured = place, Measured()
            self._say(_headline(rollout))

    def _pause(self) -> None:
        self._tools.clock.sleep(self._policy.poll_seconds)

    def _give_up(self, trouble: str) -> None:
        """End a drive that can't go on: the way back has the ready timeout beyond the deadline."""
        if self._tools.clock.now() - self._began > self._policy.drive_seconds:
            raise EnvironmentProblem(
                "the rollout can't be driven on from here",
                received=trouble or self._told,
                fix=(
                    "look at `emotion rollout status`, then run the step again or `emotion rollout"
                    " resume`: it continues from there"
                ),
            )

    def _say(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._tools.tell(line)


def names(rollout: Rollout) -> tuple[str, str]:
    """Return the revision on its way and the one before in words.

    By version, and where that is the same by image or revision.
    """
    new, previous = rollout.new, rollout.previous
    if previous is None or new.version != previous.version:
        return new.version, previous.version if previous else "none"
    if image_of(new) != image_of(previous):
        return (
            f"{new.version} with the image {image_of(new)}",
            f"{previous.version} with the image {image_of(previous)}",
        )
    return (
        f"{new.version} as revision {new.name}",
        f"{previous.version} as revision {previous.name}",
    )


def image_of(revision: Revision) -> str:
    """Return the image of a revision's predictor."""
    return str(revision.predictor["containers"][0]["image"])


def _headline(rollout: Rollout) -> str:
    version = names(rollout)[0]
    return {
        "starting": (
            f"{version}: dark launch, no traffic yet"
            if rollout.previous
            else f"{version}: first to serve"
        ),
        "shifting": f"{version}: {rollout.percent} % of the traffic",
        "promoting": f"{version}: takes over",
        "serving": f"{version}: serves",
        "rolling-back": f"{version}: going back, {rollout.reason}",
        "draining": f"{version}: without traffic, ends its requests",
        "rolled-back": f"{version}: rolled back, {rollout.reason}",
    }[rollout.phase]


def _findings(rollout: Rollout, stop: Stop, seen: Seen, now: float) -> RolloutFindings:
    before = rollout.previous.version if rollout.previous else None
    serving = rollout.new.version if stop.outcome == "serving" else before
    percent = {"serving": 100, "paused": seen.share or 0, "rolled-back": 0}[stop.outcome]
    reason = "a person paused it" if stop.outcome == "paused" else rollout.reason
    ended = rollout.since if rollout.ended else now
    images = image_of(rollout.new), image_of(rollout.previous) if rollout.previous else ""
    seconds = round(ended - rollout.started, 3)
    return RolloutFindings(
        stop.outcome, rollout.new.version, serving, percent, reason, rollout.steps, seconds, *images
    )
