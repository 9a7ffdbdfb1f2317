"""Temperature scaling, on logits whose right temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from components.shared.statistics import expected_calibration_error
from components.training.fit.calibration import (
    fit_temperature,
    negative_log_likelihood,
    probabilities,
)


def sample(scale, count=4000, seed=0):
    """Labels drawn from softmax(z), and logits scale * z: their right temperature is ``scale``."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 1.5, (count, 5))
    chances = probabilities(true)
    labels = np.array([rng.choice(5, p=row) for row in chances])
    return (scale * true).astype(np.float32), labels


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_it_finds_the_temperature_that_the_labels_were_drawn_with(scale):
    logits, labels = sample(scale)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(scale, rel=0.1)
    best = negative_log_likelihood(logits, labels, temperature)
    assert best <= negative_log_likelihood(logits, labels)
    assert best <= min(
        negative_log_likelihood(logits, labels, temperature * factor) for factor in (0.98, 1.02)
    )


def test_overconfident_answers_become_calibrated():
    logits, labels = sample(3.0)
    before = expected_calibration_error(probabilities(logits), labels)
    after = expected_calibration_error(
        probabilities(logits, fit_temperature(logits, labels)), labels
    )
    assert before > 0.1
    assert after < 0.03


def test_perfect_and_hopeless_logits_stop_at_the_bounds():
    logits, labels = np.eye(3, dtype=np.float32) * 5, np.arange(3)
    assert 0.1 <= fit_temperature(logits, labels) < 0.2  # below, every float says 1 already
    assert fit_temperature(logits, (labels + 1) % 3) == pytest.approx(10, rel=1e-3)


def test_calibration_error_of_a_known_case():
    probs = np.array([[0.9, 0.1]] * 10)
    assert expected_calibration_error(probs, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.3)
    assert expected_calibration_error(np.array([[1.0, 0.0]] * 4), np.zeros(4, int)) == 0
