import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.deployment.rollout.health import Sample, error_bounds, judge, requests_needed
from components.shared.preset import RolloutPolicy

POLICY = RolloutPolicy(max_error_rate=0.01)


@pytest.mark.parametrize("requests", [10, 100, 300, 5000])
def test_the_rule_of_three(requests):
    """Hanley & Lippman-Hand, JAMA 1983."""
    high = error_bounds(0, requests)[1]
    assert high == pytest.approx(1 - 0.05 ** (1 / requests), rel=1e-9)
    assert 0.85 * 3 / requests < high < 3 / requests


@pytest.mark.parametrize(
    ("errors", "requests", "low", "high"),
    # One-sided 95 % Clopper-Pearson limits, from scipy.stats.beta.ppf.
    [
        (1, 10, 0.0051161968918237, 0.3941633024265455),
        (5, 100, 0.019905563662171832, 0.1022533776432745),
        (10, 10, 0.7411344491069477, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_known_bounds(errors, requests, low, high):
    assert error_bounds(errors, requests) == pytest.approx((low, high), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 2000).flatmap(
        lambda requests: st.tuples(st.integers(0, min(requests, 50)), st.just(requests))
    )
)
def test_bounds_hold_the_rate_between_them(counts):
    errors, requests = counts
    low, high = error_bounds(errors, requests)
    assert 0 <= low <= errors / requests <= high <= 1
    assert error_bounds(errors, requests + 10)[1] <= high + 1e-12


def test_requests_needed_are_just_enough():
    needed = requests_needed(0.01)
    assert needed == 299
    assert error_bounds(0, needed)[1] <= 0.01 < error_bounds(0, needed - 1)[1]


@pytest.mark.parametrize(
    ("sample", "word"),
    [
        (Sample(298), "unknown"),
        (Sample(299), "good"),
        (Sample(299, 1), "unknown"),
        (Sample(480, 1), "good"),
        (Sample(10, 5), "bad"),
        (Sample(400, 0, 0, (100.0,) * 400, (20.0,) * 400), "bad"),
        (Sample(400, 0, 0, (49.0,) * 400, (20.0,) * 400), "good"),
        (Sample(400, 0, 0, (5.0,) * 99, (5.0,) * 99), "unknown"),
        (Sample(), "unknown"),
    ],
)
def test_verdicts(sample, word):
    assert judge(sample, POLICY).word == word
