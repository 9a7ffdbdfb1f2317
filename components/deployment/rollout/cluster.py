"""The cluster as the rollout needs it, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from components.deployment.rollout.state import Mode, Revision, Rollout
from components.shared.errors import ConflictError, EnvironmentProblem


class ClusterUnreachable(EnvironmentProblem):
    """No answer, or a passing error, after retries. What was asked may have been done."""


class Overtaken(ConflictError):
    """The InferenceService was changed since it was looked at; nothing was written."""


@dataclass(frozen=True)
class Workload:
    """A revision's pods.

    Attributes:
        ready: at least one of *this* revision answers, in its current form.
        replicas: that exist. failure: why it won't become ready by itself, in words; "" when it
            may.
    """

    ready: bool = False
    replicas: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Seen:
    """One look at the cluster.

    Attributes:
        rollout: of the annotation; None where there is none.
        request: what a person asked for: ``pause <revision>``, ``abort <revision>``, or "".
        predictor: the live ``spec.predictor``. mode: of the live service.
        new, previous: of the rollout's revisions.
        share: percent of the traffic that is routed to the new revision; None when no accepted
            route says.
    """

    resource_version: str
    mode: Mode
    predictor: dict[str, Any]
    rollout: Rollout | None = None
    request: str = ""
    new: Workload = Workload()
    previous: Workload = Workload()
    share: int | None = None


class Cluster(Protocol):
    """One InferenceService and what KServe makes of it.

    Raises (all methods):
        ClusterUnreachable: no answer after retries.
        EnvironmentProblem: no right to do it, or something that it needs isn't installed.
    """

    def look(self) -> Seen | None:
        """Return what is there now; None when there is no InferenceService."""

    def apply(self, rollout: Rollout, resource_version: str | None) -> None:
        """Make the InferenceService what the rollout means, state included.

        Args:
            resource_version: that was looked at; None when there was no InferenceService.

        Raises:
            Overtaken: somebody changed it since.
        """

    def require_claim(self, store: str) -> None:
        """Refuse the URI of a store on a claim that predictors can't mount.

        A pod mounts claims of its own namespace only.

        Raises:
            EnvironmentProblem: the namespace of the InferenceService has none of that name.
        """

    def request(self, text: str) -> None:
        """Leave a person's request; "" takes it back."""

    def remove_leftovers(self, rollout: Rollout) -> int:
        """Remove the autoscalers of this service's revisions but the one that serves.

        How many there were.

        KServe deletes the Deployments and Services of removed revisions, and leaves their
        HorizontalPodAutoscalers to the end of the whole service
        (pkg/controller/v1beta1/inferenceservice/components/predictor.go, "orphaned").
        """

    def addresses(self, rollout: Rollout, revision: Revision) -> tuple[str, tuple[str, ...]]:
        """Return a revision's own address, past any split of traffic, and those of its pods.

        ``http://host:port``.
        """
