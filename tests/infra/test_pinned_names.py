"""Every name that the scripts and overlays use of Kubeflow Pipelines and KServe, held against what the pinned versions have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra import pinned
from tests.infra.manifests import OVERLAYS, ROOT, golden

UP = (ROOT / "infra" / "local" / "up.sh").read_text()
CLUSTER_TESTS = (ROOT / "tests" / "cluster" / "test_cluster.py").read_text()
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for pattern in (
        "infra/local/*.sh",
        "tests/cluster/*.py",
        "pipelines/**/*.py",
        "components/**/*.py",
        "README.md",
        "docs/**/*.md",
    )
    for path in ROOT.glob(pattern)
}


def matches(pattern: str, text: str) -> set[Any]:
    found = set(re.findall(pattern, text))
    assert found, pattern  # else the pattern reads nothing any more
    return found


def test_the_facts_are_of_the_pinned_versions() -> None:
    versions = dict(
        re.findall(
            r"^(\w+)=(\S+)", (ROOT / "infra" / "local" / "versions.sh").read_text(), re.MULTILINE
        )
    )
    assert (versions["PIPELINES_VERSION"], versions["KSERVE_VERSION"]) == (
        pinned.PIPELINES_VERSION,
        pinned.KSERVE_VERSION,
    )


def addresses() -> Iterator[tuple[str, str, int]]:
    """Each service of Kubeflow Pipelines that a text names with a port: text, service, port."""
    for name, text in TEXTS.items():
        for service, port in re.findall(r"\b([a-z][a-z0-9-]*)\.kubeflow(?:\.svc)?:(\d+)", text):
            yield name, service, int(port)
        for service, port in re.findall(
            r"port-forward (?:svc|service)/([a-z0-9-]+) \d*:(\d+)", text
        ):
            yield name, service, int(port)
        for service, port in re.findall(r'forwarded\("([a-z0-9-]+)", (\d+)\)', text):
            yield name, service, int(port)


def test_every_address_leads_to_a_service_that_is_there() -> None:
    named = list(addresses())
    assert {name for name, _, _ in named} >= {
        "infra/local/up.sh",
        "tests/cluster/test_cluster.py",
        "pipelines/cluster/client.py",
    }
    for name, service, port in named:
        assert port in pinned.PIPELINES_SERVICES.get(service, ()), f"{name} names {service}:{port}"


def test_the_script_reads_secrets_and_keys_that_are_there() -> None:
    read = matches(r"-n kubeflow get secret ([a-z0-9-]+) -o jsonpath='\{\.data\.(\w+)\}'", UP)
    assert read == {
        (secret, key) for secret, keys in pinned.PIPELINES_SECRETS.items() for key in keys
    }
    assert matches(r'"secret", "([a-z0-9-]+)"', CLUSTER_TESTS) == set(pinned.PIPELINES_SECRETS)
    assert matches(r"serving\.kserve\.io/(s3-[a-z]+)=", UP) <= pinned.KSERVE_S3_ANNOTATIONS


def test_the_script_waits_for_what_is_there() -> None:
    assert (
        matches(r"-n kubeflow rollout status deployment/([a-z0-9-]+)", UP)
        <= pinned.PIPELINES_DEPLOYMENTS
    )
    in_kserve = matches(
        rf"-n {pinned.KSERVE_NAMESPACE} (?:get|rollout \w+) deployment/([a-z0-9-]+)", UP
    )
    assert in_kserve == pinned.KSERVE_DEPLOYMENTS
    assert matches(r"crd/([a-z0-9.]+)", UP) == pinned.PIPELINES_CRDS
    ((config, (key, field)),) = pinned.KSERVE_CONFIG.items()
    assert matches(rf"-n {pinned.KSERVE_NAMESPACE} (?:get|patch) configmap ([a-z0-9-]+)", UP) == {
        config
    }
    assert f"{{.data.{key}}}" in UP
    assert f'"{field}": True' in UP


def test_the_script_fetches_what_is_there() -> None:
    assert (
        matches(r"\$source/([a-z/-]+)\?ref=\$PIPELINES_VERSION", UP)
        == pinned.PIPELINES_KUSTOMIZATIONS
    )
    assert f"releases/download/$KSERVE_VERSION/{pinned.KSERVE_INSTALLER}" in UP
    assert f'BUCKET = "{pinned.PIPELINES_BUCKET}"' in CLUSTER_TESTS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_rights_name_what_is_there(overlay: str) -> None:
    (role,) = [
        each
        for each in golden(overlay)
        if each["kind"] == "Role" and each["metadata"]["name"] == "emotion-run"
    ]
    named = {
        (kind, name)
        for rule in role["rules"]
        for kind in rule["resources"]
        for name in rule.get("resourceNames", ())
    }
    there = {("secrets", name) for name in pinned.PIPELINES_SECRETS} | {
        ("configmaps", name) for name in pinned.PIPELINES_CONFIG_MAPS
    }
    assert named
    assert named <= there


@pytest.mark.parametrize("overlay", ["kind", "minikube"])
def test_a_predictor_reaches_the_store_and_the_store_admits_it_alone(overlay: str) -> None:
    """A NetworkPolicy sees the pod's port, which is 8333 whichever of the service's ports is asked."""
    policies = {
        each["metadata"]["name"]: each
        for each in golden(overlay)
        if each["kind"] == "NetworkPolicy"
    }
    ours = {"matchLabels": {"app.kubernetes.io/part-of": "emotion-retraining"}}
    ports = [{"protocol": "TCP", "port": pinned.STORE_PORT}]

    def namespace(name: str) -> dict[str, Any]:
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}

    admitted = policies["emotion-store"]
    assert admitted["metadata"]["namespace"] == "kubeflow"
    assert admitted["spec"] == {
        "podSelector": {"matchLabels": pinned.STORE_LABELS},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{**namespace("emotion"), "podSelector": ours}], "ports": ports}],
    }
    leaving = policies["predictor"]["spec"]
    assert leaving["podSelector"] == ours
    assert {
        "to": [{**namespace("kubeflow"), "podSelector": {"matchLabels": pinned.STORE_LABELS}}],
        "ports": ports,
    } in leaving["egress"]


def test_only_a_cluster_on_one_machine_has_that_store() -> None:
    assert "emotion-store" not in {each["metadata"]["name"] for each in golden("gke")}
    assert not any(
        Path(name).suffix == ".sh" and "minio-service" in text for name, text in TEXTS.items()
    )
