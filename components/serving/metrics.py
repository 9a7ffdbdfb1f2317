"""What Prometheus reads from a predictor, beside KServe's own histograms of preprocess, predict and postprocess."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from components.shared.serving_metrics import LABELS as GIVEN_LABELS
from components.shared.serving_metrics import MODEL_INFO, REJECTED_IMAGES, REQUEST_SECONDS, REQUESTS

BUCKETS = (
    0.001,
    0.002,
    0.004,
    0.006,
    0.008,
    0.012,
    0.016,
    0.024,
    0.032,
    0.05,
    0.1,
    0.2,
    0.4,
    0.8,
    1.6,
    3.2,
    10.0,
)

# 499 is a client that went away before its answer.
ANSWERED = Counter(
    REQUESTS.removesuffix("_total"),
    "Prediction requests by HTTP status, over HTTP and gRPC",
    ["code"],
)
SECONDS = Histogram(
    REQUEST_SECONDS,
    "From a prediction request's last byte to its answer",
    ["protocol"],
    buckets=BUCKETS,
)
LABELS = Counter(GIVEN_LABELS, "Images by the label that the model gave them", ["label"])
REJECTED = Counter(REJECTED_IMAGES, "Images that couldn't be read, by reason", ["reason"])
LOADED = Gauge(MODEL_INFO, "1 for the version that serves", ["model_name", "version"])
