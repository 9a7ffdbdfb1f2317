"""Prometheus metrics that the predictor exposes and the rollout reads."""

from __future__ import annotations

# A counter with the label `code`: the HTTP status of the answer, as in code="200".
REQUESTS = "emotion_requests_total"
