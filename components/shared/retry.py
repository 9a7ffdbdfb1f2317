"""Repeat what failed for a passing reason, with a deadline, and tell it in the log.

    fault                                                          who repeats the work
    the pod is gone: deleted, drained, preempted, its node lost    Argo, as often as the task's `retries` say (policy `OnError`)
    a bucket or Kaggle answers with one of `PASSING_STATUSES`      the step itself, by `Retry`
    no connection, a broken one, a time-out, an answer cut short   the step itself, by `Retry`
    a compare-and-set that lost where the change can be made anew  the step itself, by `components.shared.store.interface.update`
    any other answer (400, 401, 403, 404); no such host; a         nobody: the step fails at once and says how to fix it
    certificate that isn't trusted; no space, no permission;
    data or settings that are refused; a champion that changed
    the pod stays as failed: evicted for its node's memory or      nobody: to Argo it failed, like a step that ended by itself;
    disk, out of memory, past its time limit, node shut down       the next night runs

Kubeflow Pipelines 2.17.0 sets `retryPolicy: OnError` (manifests/kustomize/third-party/argo/base/
workflow-controller-configmap-patch.yaml). Argo Workflows 4.0.5 calls a pod that is gone an error,
and one that ended badly a failure (workflow/controller/operator.go: `podReconciliation`,
`inferFailedReason`). The clients' own retries are switched off: this is the only one in a step, so
deadlines don't multiply.
"""

from __future__ import annotations

import random
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# What Google's, Amazon's and Kaggle's clients hold to be transient ("Retry strategy" in Cloud
# Storage's documentation, "Standard retry mode" in the AWS SDKs' reference guide).
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
STOPPING_SECONDS = (
    10.0  # instead of any longer deadline once the process was asked to stop: it is killed after 30
)
CONNECT_SECONDS, ANSWER_SECONDS = (
    10.0,
    60.0,
)  # of one attempt: until the connection stands, and between two parts of an answer


@dataclass(frozen=True)
class Retry:
    """How long a call is repeated, with exponential backoff and jitter.

    Attributes:
        deadline_seconds: after the first failure no attempt begins later than this.
        first_wait_seconds: about; each next wait is twice as long, up to longest_wait_seconds.
    """

    deadline_seconds: float = 300.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0

    def call(self, what: str, work: Callable[[], T], passing: Callable[[Exception], str]) -> T:
        """Return what ``work`` returns. Raises what it raises, at once or when the time is up.

        >>> Retry().call("read the answer", lambda: 42, lambda error: "")
        42

        Args:
            what: for the log, as in "can't {what}".
            passing: why an error may be gone next time, in words; empty where it won't.
        """
        began, wait, attempts = 0.0, self.first_wait_seconds, 0
        while True:
            try:
                return work()
            except Exception as error:
                reason = passing(error)
                if not reason:
                    raise
                attempts += 1
                began = began or time.monotonic()
                spent = time.monotonic() - began
                deadline = (
                    min(self.deadline_seconds, STOPPING_SECONDS)
                    if _stopping
                    else self.deadline_seconds
                )
                if spent >= deadline:
                    print(
                        f"can't {what}: {reason}; {attempts} attempts in {spent:.0f} s, no more",
                        file=sys.stderr,
                        flush=True,
                    )
                    raise
                pause = min(wait * random.uniform(0.5, 1.0), deadline - spent)
                print(
                    f"can't {what}: {reason}; again in {pause:.2g} s", file=sys.stderr, flush=True
                )
                _sleep(pause)
                wait = min(2 * wait, self.longest_wait_seconds)


_stopping = False


def stop_soon() -> None:
    """Have every call of this process, in whichever thread, give up within `STOPPING_SECONDS`.

    For signal handlers: takes no lock.
    """
    global _stopping
    _stopping = True


def _sleep(seconds: float) -> None:
    """Sleep, but no longer than a second after `stop_soon` was called."""
    stopping_before, until = _stopping, time.monotonic() + seconds
    while _stopping == stopping_before and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))


def status_reason(status: int | None) -> str:
    """Why an HTTP status may be another next time; empty where it won't."""
    return f"answered {status}" if status in PASSING_STATUSES else ""


def connection_reason(error: BaseException) -> str:
    """Why a connection that broke, or never stood, may stand next time.

    Empty for a host or a certificate that never will.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(
        cause, (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
    ):
        cause = cause.__cause__ or cause.__context__
    unknown = isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN
    if unknown or isinstance(cause, ssl.SSLCertVerificationError):
        return ""
    return f"no whole answer ({type(cause or error).__name__})"
