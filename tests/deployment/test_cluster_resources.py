"""Custom resources against KServe's SDK, and the metrics that rules and dashboard read against those that exist."""

import json
import re
from pathlib import Path

import kserve
import pytest
import yaml
from kserve import V1alpha1ServingRuntime, V1beta1InferenceService
from kubernetes import client
from prometheus_client import REGISTRY

from components.deployment.manifest.inference_service import MODEL_FOLDER, PORT
from components.serving import metrics
from components.shared import serving_metrics

ROOT = Path(__file__).resolve().parents[2]
RENDERED = sorted((ROOT / "tests" / "infra" / "golden").glob("*.yaml"))
SERVICES = sorted((ROOT / "tests" / "deployment" / "golden").glob("*.yaml"))
# PromQL's own words in these expressions.
WORDS = {"sum", "by", "rate", "histogram_quantile", "absent", "ignoring", "group_left"}
# The labels that these expressions group by, of the metric that carries each.
GROUPED = {"le", "code", "label", "reason", "version"}


def resources(path):
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def strange(model, value, place=""):
    """Places in a plain value that a generated model has no field for."""
    if isinstance(model, str):
        inner = re.fullmatch(r"(list|dict)[\[(](?:str, )?(.+)[\])]", model)
        if inner:
            children = enumerate(value) if inner[1] == "list" else value.items()
            return [
                found
                for key, child in children
                for found in strange(inner[2], child, f"{place}.{key}")
            ]
        model = getattr(kserve, model, None) or getattr(client, model, None)
        if model is None:
            return []
    names = {wire: name for name, wire in model.attribute_map.items()}
    found = [f"{place}.{key}" for key in value if key not in names]
    for key in value.keys() & names.keys():
        found += strange(model.openapi_types[names[key]], value[key], f"{place}.{key}")
    return found


@pytest.mark.parametrize("path", RENDERED, ids=lambda path: path.stem)
def test_serving_runtimes_are_of_kserves_type(path):
    (runtime,) = [each for each in resources(path) if each["kind"] == "ServingRuntime"]
    assert strange(V1alpha1ServingRuntime, runtime) == []
    (container,) = runtime["spec"]["containers"]
    assert container["ports"] == [{"containerPort": PORT, "protocol": "TCP"}]
    assert container["args"][container["args"].index("--model-dir") + 1] == MODEL_FOLDER


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_inference_services_are_of_kserves_type(path):
    (service,) = resources(path)
    assert strange(V1beta1InferenceService, service) == []


def test_a_field_that_kserve_has_not_is_found():
    wrong = {
        "spec": {
            "containers": [
                {"name": "a", "imagee": "b", "resources": {"limits": {"cpu": "1"}, "limit": {}}}
            ]
        }
    }
    assert sorted(strange(V1alpha1ServingRuntime, wrong)) == [
        ".spec.containers.0.imagee",
        ".spec.containers.0.resources.limit",
    ]


def test_rules_and_dashboard_read_metrics_that_exist():
    (rules,) = [each for each in resources(RENDERED[-1]) if each["kind"] == "PrometheusRule"]
    stated = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    board = json.loads((ROOT / "infra" / "kustomize" / "base" / "dashboard.json").read_text())
    expressions = [rule["expr"] for rule in stated] + [
        target["expr"] for panel in board["panels"] for target in panel["targets"]
    ]
    assert f"{metrics.ANSWERED._name}_total" == serving_metrics.REQUESTS
    suffixes = {"counter": "_total", "histogram": "_bucket", "gauge": ""}
    known = {
        f"{family.name}{suffixes[family.type]}"
        for family in REGISTRY.collect()
        if family.name.startswith("emotion_")
    }
    known |= {"up"} | {rule["record"] for rule in stated if "record" in rule}
    for expression in expressions:
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"", "", expression)
        read = set(re.findall(r"[a-zA-Z_][\w:]*", bare)) - WORDS - GROUPED
        assert read
        assert read <= known, f"{sorted(read - known)} in {expression}"
