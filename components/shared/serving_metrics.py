"""Prometheus metrics that the predictor exposes and the rollout reads."""

from __future__ import annotations

# A counter with the label `code`: the HTTP status of the answer, as in code="200".
REQUESTS = "emotion_requests_total"
# A histogram with the label `protocol` (v1, v2, grpc); a counter with `label`; a counter with
# `reason`; 1 for the `model_name` and `version` that serve.
REQUEST_SECONDS = "emotion_request_seconds"
LABELS = "emotion_labels_total"
REJECTED_IMAGES = "emotion_rejected_images_total"
MODEL_INFO = "emotion_model_info"
