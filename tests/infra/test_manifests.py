"""The cluster's resources.

Right for Kubernetes, least in privilege, and rendered as the golden files say.
"""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import pytest
from kubernetes_validate.utils import all_versions, major_minor

from components.shared.preset import ServingPolicy
from tests.infra.manifests import GOLDEN, KUSTOMIZE, OVERLAYS, golden, render, renderer, sources

NEWEST = sorted(
    {major_minor(version) for version in all_versions()},
    key=lambda version: int(version.split(".")[1]),
)[-2:]
# Types of others: KServe's are held against its SDK in tests/deployment; Prometheus' have no schema
# in a package.
OTHERS = ("serving.kserve.io/v1alpha1", "monitoring.coreos.com/v1", "monitoring.googleapis.com/v1")
SOURCES = sources()


def validate(resource: dict[str, Any], version: str) -> None:
    if resource["apiVersion"] not in OTHERS:
        kubernetes_validate.validate(resource, version, strict=True)


def of_kind(resources: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["kind"] in kinds]


@pytest.mark.parametrize("version", NEWEST)
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_what_kubernetes_takes(name: str, version: str) -> None:
    validate(SOURCES[name], version)


@pytest.mark.parametrize("version", NEWEST)
def test_the_renderings_are_what_kubernetes_takes(version: str) -> None:
    as_written = [json.dumps(resource) for resource in SOURCES.values()]
    distinct = {json.dumps(resource) for overlay in OVERLAYS for resource in golden(overlay)}
    for rendered in distinct.difference(as_written):
        validate(json.loads(rendered), version)


@pytest.mark.parametrize("version", NEWEST)
def test_a_misspelt_field_is_refused(version: str) -> None:
    (quota,) = of_kind(golden("kind"), "ResourceQuota")
    quota["spec"]["harder"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="harder"):
        validate(quota, version)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_rendering_is_golden(overlay: str) -> None:
    """Meant to change? `make golden` writes it anew; read the difference."""
    if not renderer():
        pytest.skip("neither kustomize 5 nor a kubectl that holds it is on the path")
    assert render(overlay) == (GOLDEN / f"{overlay}.yaml").read_text()


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestPrivilege:
    def test_rights_are_named_and_stay_in_their_namespace(self, overlay: str) -> None:
        resources = golden(overlay)
        assert of_kind(resources, "ClusterRole", "ClusterRoleBinding") == []
        for role in of_kind(resources, "Role"):
            for rule in role["rules"]:
                assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
                assert "secrets" not in rule["resources"] or rule["resourceNames"]
                assert not {"escalate", "bind", "impersonate", "deletecollection"}.intersection(
                    rule["verbs"]
                )
                assert "delete" not in rule["verbs"] or rule["resources"] == [
                    "horizontalpodautoscalers"
                ]

    def test_every_binding_ties_an_account_to_a_role_that_stand_here(self, overlay: str) -> None:
        resources = golden(overlay)
        accounts = {
            (each["metadata"]["namespace"], each["metadata"]["name"])
            for each in of_kind(resources, "ServiceAccount")
        }
        roles = {
            (each["metadata"]["namespace"], each["metadata"]["name"])
            for each in of_kind(resources, "Role")
        }
        bindings = of_kind(resources, "RoleBinding")
        assert {
            (each["metadata"]["namespace"], each["roleRef"]["name"]) for each in bindings
        } == roles
        assert {
            (subject["namespace"], subject["name"])
            for each in bindings
            for subject in each["subjects"]
        } <= accounts

    def test_what_serves_may_ask_the_cluster_for_nothing(self, overlay: str) -> None:
        resources, policy = golden(overlay), ServingPolicy()
        (account,) = [
            each
            for each in of_kind(resources, "ServiceAccount")
            if each["metadata"]["name"] == policy.service_account
        ]
        assert account["metadata"]["namespace"] == policy.namespace
        assert account["automountServiceAccountToken"] is False
        bound = [
            subject["name"]
            for each in of_kind(resources, "RoleBinding")
            for subject in each["subjects"]
        ]
        assert policy.service_account not in bound

    def test_nothing_is_open_unless_named(self, overlay: str) -> None:
        policies = {
            each["metadata"]["name"]: each for each in of_kind(golden(overlay), "NetworkPolicy")
        }
        nothing = policies["nothing"]["spec"]
        assert (nothing["podSelector"], sorted(nothing["policyTypes"])) == (
            {},
            ["Egress", "Ingress"],
        )
        (way_in,) = policies["predictor"]["spec"]["ingress"]
        assert [port["port"] for port in way_in["ports"]] == [8080]
        assert all(
            origin.get("namespaceSelector") or origin["podSelector"] for origin in way_in["from"]
        )
        for way_out in policies["predictor"]["spec"]["egress"]:
            assert "to" in way_out or [port["port"] for port in way_out["ports"]] == [443]


def test_overlays_differ_in_what_they_are_for() -> None:
    gpus = {
        overlay: of_kind(golden(overlay), "ResourceQuota")[0]["spec"]["hard"][
            "requests.nvidia.com/gpu"
        ]
        for overlay in OVERLAYS
    }
    assert gpus == {"kind": "0", "minikube": "1", "gke": "2"}
    assert [
        each["metadata"]["name"] for each in of_kind(golden("gke"), "Rules", "PodMonitoring")
    ] == ["emotion-predictor", "emotion"]
    assert of_kind(golden("gke"), "PrometheusRule", "PodMonitor") == []


def test_google_takes_the_same_rules() -> None:
    (ours,) = of_kind(golden("kind"), "PrometheusRule")
    (theirs,) = of_kind(golden("gke"), "Rules")
    assert theirs["spec"] == ours["spec"]


def test_every_alert_says_what_to_do() -> None:
    (rules,) = of_kind(golden("kind"), "PrometheusRule")
    alerts = [
        rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert len(alerts) >= 4
    for alert in alerts:
        assert alert["for"]
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"].endswith(".")


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads((KUSTOMIZE / "base" / "dashboard.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 4
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert board["templating"]["list"][0]["type"] == "datasource"
