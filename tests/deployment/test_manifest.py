from pathlib import Path

import pytest
import yaml

from components.contracts.preset import ServingPolicy
from components.deployment.manifest import Served, inference_service, label_value, storage_uri

GOLDEN = Path(__file__).parent / "golden" / "inference_service.yaml"
SERVED = Served("synthetic-faces", "0123456789ab", "2026-11-21/night 3", "gs://bucket/store/models/synthetic-faces/versions/0123456789ab")


def test_golden():
    """Meant to change? Write what `inference_service` gives to the golden file and read the difference."""
    assert inference_service(SERVED, ServingPolicy()) == GOLDEN.read_text()


def test_policy_reaches_the_manifest():
    service = yaml.safe_load(inference_service(SERVED, ServingPolicy(namespace="faces", min_replicas=2, max_replicas=9)))
    predictor = service["spec"]["predictor"]
    assert service["metadata"]["namespace"] == "faces"
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 9)
    assert {"name": "STORAGE_URI", "value": SERVED.storage_uri} in predictor["containers"][0]["env"]


def test_nothing_in_the_pod_may_gain_rights():
    predictor = yaml.safe_load(inference_service(SERVED, ServingPolicy()))["spec"]["predictor"]
    for container in predictor["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["runAsNonRoot"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert predictor["securityContext"]["runAsUser"] > 0
    assert predictor["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("text", "expected"), [("2026-11-21/night 3", "2026-11-21-night-3"), ("-a" * 60, ("-a" * 60)[:63].strip("-")), ("é", "")]
)
def test_label_values_are_valid(text, expected):
    assert label_value(text) == expected


def test_storage_uri():
    assert storage_uri("gs://b/x") == "gs://b/x"
    assert storage_uri("/store/x") == "file:///store/x"
