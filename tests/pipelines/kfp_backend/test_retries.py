"""Which fault is retried how often, as Argo Workflows does it with Kubeflow's defaults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pipelines.kfp_backend.retries import (
    PHASES,
    TEMPLATE_DEFAULTS,
    Attempt,
    Strategy,
    attempts,
    attempts_in_all,
    strategy,
)

TASK = {
    "retryPolicy": {
        "maxRetryCount": 3,
        "backoffDuration": "30s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "900s",
    }
}
MERGED = Strategy(limit=3, policy="OnError", backoff_seconds=30.0, factor=2.0, max_seconds=900.0)


def test_limit_and_backoff_are_the_tasks_and_the_policy_the_defaults() -> None:
    assert strategy(TASK) == MERGED
    assert strategy({}) == TEMPLATE_DEFAULTS == Strategy(limit=2, policy="OnError")


@pytest.mark.parametrize("fault", sorted(PHASES))
def test_a_lost_pod_is_made_again_and_a_failed_step_is_not(fault: str) -> None:
    began, message = attempts(MERGED, [Attempt(10, fault), Attempt(10)])
    if fault in ("pod deleted", "init container failed", "wait container failed"):
        assert (began, message) == ([0.0, 40.0], "")
    else:
        assert (began, message) == ([0.0], fault)


def test_waits_double_until_the_limit() -> None:
    began, message = attempts(MERGED, [Attempt(1, "pod deleted")] * 4)
    assert began == [0.0, 31.0, 92.0, 213.0]
    assert message == "No more retries left"


def test_the_longest_backoff_is_counted_from_the_first_start_so_what_was_lost_late_is_not_made_again() -> (
    None
):
    assert attempts(MERGED, [Attempt(2 * 3600, "pod deleted"), Attempt(1)]) == (
        [0.0],
        "Max duration limit exceeded",
    )
    assert attempts(MERGED, [Attempt(890, "pod deleted"), Attempt(1)]) == (
        [0.0],
        "Backoff would exceed max duration limit",
    )
    assert attempts(
        replace(MERGED, max_seconds=None), [Attempt(2 * 3600, "pod deleted"), Attempt(1)]
    ) == ([0.0, 7230.0], "")


def test_an_attempt_made_again_is_ended_there_too() -> None:
    began, message = attempts(MERGED, [Attempt(60, "pod deleted"), Attempt(3600)])
    assert began == [0.0, 90.0]
    assert message == "Backoff would exceed max duration limit"


def test_without_a_longest_backoff_in_the_spec_nothing_is_made_again() -> None:
    """The executor's template has "0" as the parameter's default, and that is a duration."""
    none = {"retryPolicy": {"maxRetryCount": 3, "backoffDuration": "30s"}}
    assert attempts(strategy(none), [Attempt(1, "pod deleted"), Attempt(1)]) == (
        [0.0],
        "Max duration limit exceeded",
    )


def test_always_in_the_template_defaults_multiplies_tries_level_by_level() -> None:
    """Seen with a failing first step.

    Three tries of the pod, below an executor's DAG and the exit handler's, and so on up.
    """
    always = replace(TEMPLATE_DEFAULTS, policy="Always")
    failing = strategy({"retryPolicy": {"maxRetryCount": 2}}, always)
    assert attempts_in_all(failing, levels=2, phase="Failed", defaults=always) == 27
    assert (
        attempts_in_all(strategy({"retryPolicy": {"maxRetryCount": 2}}), levels=2, phase="Failed")
        == 1
    )
