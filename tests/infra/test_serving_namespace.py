"""What KServe makes of our InferenceServices, held against the namespace that they live in.

Its quota and its Pod Security level.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.manifests import OVERLAYS, ROOT, golden

SERVICES = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "tests" / "deployment" / "golden").glob("*.yaml"))
}
STANDARD = [
    name
    for name, service in SERVICES.items()
    if "Standard" in service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"]
]
SURGE = 0.25  # of a Deployment's pods, while it changes: Kubernetes' default, which KServe leaves (pkg/apis/serving/v1beta1/component.go)
UNITS = {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "K": 1e3, "M": 1e6, "G": 1e9}


def of_kind(overlay: str, kind: str) -> list[dict[str, Any]]:
    return [each for each in golden(overlay) if each["kind"] == kind]


def injected(predictor: dict[str, Any], overlay: str) -> dict[str, Any]:
    """The pod of a predictor once KServe's webhook has added what fetches the model.

    pkg/webhook/admission/pod/storage_initializer_injector.go: for a URI but pvc:// an init
    container of KServe's own settings, which have no security context, merged with the container of
    the ClusterStorageContainer that the predictor names, or of the first that supports the URI
    (KServe ships `default`, without a security context).
    """
    pod = {
        key: copy.deepcopy(value)
        for key, value in predictor.items()
        if key not in ("minReplicas", "maxReplicas", "annotations")
    }
    (uri,) = [
        each["value"] for each in pod["containers"][0]["env"] if each["name"] == "STORAGE_URI"
    ]
    if uri.startswith("pvc://"):
        return pod
    container: dict[str, Any] = {
        "name": "storage-initializer",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }
    name = pod.pop("storageContainerName", None)
    if name is not None:
        (chosen,) = [
            each["spec"]
            for each in of_kind(overlay, "ClusterStorageContainer")
            if each["metadata"]["name"] == name
        ]
        assert chosen["workloadType"] == "initContainer"
        assert any(uri.startswith(form["prefix"]) for form in chosen["supportedUriFormats"]), (
            f"KServe refuses {uri} for {name}"
        )
        container |= chosen["container"]
    pod["initContainers"] = [container]
    return pod


def violations(pod: dict[str, Any]) -> set[str]:
    """What Pod Security's level `restricted` has against a pod (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    found = {
        f"the pod's {field}" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)
    }
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found |= {
        f"volume {each['name']}"
        for each in pod.get("volumes", ())
        if not (each.keys() - {"name"}) <= allowed
    }
    outer = pod.get("securityContext", {})
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        inner, name = container.get("securityContext", {}), container["name"]
        settled = {**outer, **inner}
        if inner.get("allowPrivilegeEscalation") is not False:
            found.add(f"{name}: allowPrivilegeEscalation")
        capabilities = inner.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {
            "NET_BIND_SERVICE"
        }:
            found.add(f"{name}: capabilities")
        if settled.get("runAsNonRoot") is not True:
            found.add(f"{name}: runAsNonRoot")
        if settled.get("runAsUser") == 0:
            found.add(f"{name}: runAsUser")
        if settled.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.add(f"{name}: seccompProfile")
        if inner.get("privileged") or inner.get("procMount", "Default") != "Default":
            found.add(f"{name}: privileged or procMount")
        if any(port.get("hostPort") for port in container.get("ports", ())):
            found.add(f"{name}: hostPort")
    return found


def predictors(service: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield service["spec"]["predictor"]
    yield from (each["predictor"] for each in service["spec"].get("canary", ()))


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", STANDARD)
def test_the_namespace_takes_every_pod_that_kserve_makes(name: str, overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for predictor in predictors(SERVICES[name]):
        assert violations(injected(predictor, overlay)) == set()


def test_without_a_container_of_our_own_the_pod_is_refused() -> None:
    """KServe's init container as it is."""
    (predictor,) = predictors(SERVICES["standard"])
    plain = {key: value for key, value in predictor.items() if key != "storageContainerName"}
    expected = {
        "storage-initializer: allowPrivilegeEscalation",
        "storage-initializer: capabilities",
    }
    assert violations(injected(plain, "kind")) == expected


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda pod: pod.update(hostNetwork=True), "the pod's hostNetwork"),
        (
            lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
            "volume host",
        ),
        (
            lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0),
            "kserve-container: runAsUser",
        ),
        (
            lambda pod: pod["containers"][0]["securityContext"].update(runAsNonRoot=False),
            "kserve-container: runAsNonRoot",
        ),
        (
            lambda pod: pod["containers"][0]["securityContext"].update(seccompProfile={}),
            "kserve-container: seccompProfile",
        ),
        (
            lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"),
            "kserve-container: capabilities",
        ),
        (
            lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80),
            "kserve-container: hostPort",
        ),
    ],
)
def test_the_rules_see_a_breach(change: Any, complaint: str) -> None:
    (predictor,) = predictors(SERVICES["standard"])
    pod = injected(predictor, "kind")
    change(pod)
    assert violations(pod) == {complaint}


def number(quantity: str) -> float:
    match = re.fullmatch(r"([\d.]+)([A-Za-z]*)", quantity)
    assert match, quantity
    return float(match[1]) * UNITS[match[2]]


def fullest(service: dict[str, Any], overlay: str) -> dict[str, float]:
    """What one service takes while a rollout has all of the traffic on the new revision and the old one still stands.

    Each revision has at most maxReplicas pods, and a quarter more while its Deployment changes. A
    pod counts as the larger of its init container and its containers, as the scheduler and the
    quota count it.
    """
    predictor, *_ = predictors(service)
    pod = injected(predictor, overlay)
    (limits,) = of_kind(overlay, "LimitRange")
    defaults = limits["spec"]["limits"][0]
    pods = 2 * (predictor["maxReplicas"] + math.ceil(predictor["maxReplicas"] * SURGE))
    total = {"pods": float(pods)}
    for kind, default in (("requests", "defaultRequest"), ("limits", "default")):
        for resource in ("cpu", "memory"):
            largest = max(
                number(
                    container.get("resources", {})
                    .get(kind, {})
                    .get(resource, defaults[default][resource])
                )
                for container in (*pod.get("initContainers", ()), *pod["containers"])
            )
            total[f"{kind}.{resource}"] = pods * largest
    return total


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_rollout_of_one_service_at_its_fullest_fits_the_quota(overlay: str) -> None:
    """A LimitRange's default for limits is a request's default too, where a container names a limit and no request."""
    (quota,) = of_kind(overlay, "ResourceQuota")
    needed = fullest(SERVICES["standard"], overlay)
    allowed = {name: number(str(quota["spec"]["hard"][name])) for name in needed}
    assert {
        name: (value, allowed[name]) for name, value in needed.items() if value > allowed[name]
    } == {}


def test_an_unchanged_overlay_is_applied_without_a_change() -> None:
    """kubectl's own apply sends the selector of a PodDisruptionBudget each time (its patch strategy is "replace": policy/v1 types.go,
    strategicpatch handleMapDiff), so the script applies on the server. What the server would write
    otherwise than we do has no place."""
    script = Path(ROOT / "infra" / "local" / "up.sh").read_text()
    assert re.findall(r"on apply (.*)build/kustomize", script) == ["--server-side -k "]
    for overlay in OVERLAYS:
        for resource in golden(overlay):
            assert list(odd(resource)) == [], resource["metadata"]["name"]


def odd(value: Any, place: str = "") -> Iterator[str]:
    """Places of nulls and of quantities in another form than the server's (500m for 0.5, 1 for 1000m)."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from odd(item, f"{place}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from odd(item, f"{place}.{index}")
    elif value is None or (
        isinstance(value, str)
        and re.fullmatch(r"\d*\.\d+[A-Z]?i?|\d+000m|0m", value)
        and ".version" not in place
    ):
        yield f"{place}: {value}"
