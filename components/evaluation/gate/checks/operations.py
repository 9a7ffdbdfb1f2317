"""Operations: what the serving check measured on the real server."""

from __future__ import annotations

from collections.abc import Iterator

from components.evaluation.gate.case import Case
from components.shared.findings import Check, ServingFindings
from components.shared.findings.evaluation import Outcome


def operations(case: Case) -> Iterator[Check]:
    """Yield the checks of what the serving check measured."""
    serving, policy = case.serving, case.policy
    # No golden image counts as a failure: nothing shows then that the server answers as evaluated.
    failures = serving.golden_failures if serving.golden_images else 1
    words = "No golden image was sent to the server, so nothing shows that it answers as evaluated."
    if serving.golden_images:
        words = (
            f"{failures} of {serving.golden_images} golden images got another answer from the"
            " server than expected; none may."
        )
    yield _at_most("golden-failures", float(failures), 0.0, words, serving.golden_images)

    difference, allowed = serving.golden_max_difference, policy.max_golden_difference
    words = (
        f"Served and expected probabilities differ by {difference:.2g} at most; {allowed:.2g} is"
        " allowed."
    )
    yield _at_most("golden-difference", difference, allowed, words, serving.golden_images)

    size = serving.challenger.model_bytes
    words = f"The served file has {size:,} bytes; {policy.max_model_bytes:,} are allowed."
    yield _at_most("model-bytes", float(size), float(policy.max_model_bytes), words)

    seconds = serving.challenger.cold_start_seconds
    words = (
        f"The server was ready after {seconds:.1f} s; {policy.max_cold_start_seconds:g} s are"
        " allowed."
    )
    yield _at_most("cold-start", seconds, policy.max_cold_start_seconds, words)

    yield from _latency(serving, policy.max_p95_ratio)


def _latency(serving: ServingFindings, bound: float) -> Iterator[Check]:
    """Yield the check of the 95th percentile against the champion's.

    Only a significant excess fails, so without an interval nothing does.
    """
    ours, theirs = (
        serving.challenger.p95_milliseconds,
        serving.champion.p95_milliseconds if serving.champion else 0.0,
    )
    if theirs <= 0 or ours <= 0:  # nobody to compare with, or nothing was timed
        return
    ratio, interval = serving.p95_ratio or ours / theirs, serving.p95_ratio_interval
    reach = f" (90% interval {interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    words = (
        f"Latency's 95th percentile is {ours:.2f} ms against the champion's {theirs:.2f} ms,"
        f" {ratio:.2f} times it{reach}"
    )
    failed = bool(interval) and interval[0] > bound
    unsure = (
        "" if interval or ratio <= bound else "; without its interval that is insufficient evidence"
    )
    sentence = (
        f"{words}; {bound:g} times is"
        f" allowed{', which is shown to be exceeded' if failed else unsure}."
    )
    outcome: Outcome = "fail" if failed else "insufficient" if unsure else "pass"
    yield Check(
        "latency-p95", ratio, bound, "at-most", outcome, sentence, interval, family="operations"
    )


def _at_most(name: str, value: float, bound: float, sentence: str, rows: int = 0) -> Check:
    return Check(
        name,
        value,
        bound,
        "at-most",
        "pass" if value <= bound else "fail",
        sentence,
        rows=rows,
        family="operations",
    )
