"""The InferenceService that serves one registry version.

KServe v1beta1 in Standard mode (plain Deployment, Service and autoscaler; no Knative), on CPU. The
storage initializer copies the version to MODEL_FOLDER, which the predictor's container only reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from kserve import (
    ApiClient,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1PredictorSpec,
)
from kubernetes import client

from components.contracts.preset import ServingPolicy

SERVING_IMAGE = "emotion-serving"
MODEL_FOLDER = "/mnt/models"
PORT = 8080
USER = 65532  # nobody's; the same in every image
SCALE_AT_CPU_PERCENT = 70
REQUESTS = {"cpu": "250m", "memory": "512Mi"}
LIMITS = {"cpu": "1", "memory": "1Gi"}


@dataclass(frozen=True)
class Served:
    """What is to be served: one version, where it lies and which run promoted it."""

    model_name: str
    version: str
    run_id: str
    storage_uri: str


def inference_service(served: Served, policy: ServingPolicy) -> str:
    """The manifest as YAML; the same bytes for the same arguments."""
    service = V1beta1InferenceService(
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        metadata=client.V1ObjectMeta(
            name=served.model_name,
            namespace=policy.namespace,
            labels=_labels(served),
            annotations={
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "hpa",
                "emotion/run-id": served.run_id,
            },
        ),
        spec=V1beta1InferenceServiceSpec(predictor=_predictor(served, policy)),
    )
    return str(yaml.safe_dump(ApiClient().sanitize_for_serialization(service), sort_keys=True, width=120))


def storage_uri(location: str) -> str:
    """A version's location as a URI; a folder of this machine becomes file://."""
    return location if "://" in location else f"file://{location}"


def label_value(text: str) -> str:
    """``text`` as a Kubernetes label value: at most 63 letters, digits, dashes, dots and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:63].strip("-._")


def _labels(served: Served) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": label_value(served.model_name),
        "app.kubernetes.io/part-of": "emotion-retraining",
        "emotion/version": label_value(served.version),
        "emotion/run-id": label_value(served.run_id),
    }


def _predictor(served: Served, policy: ServingPolicy) -> V1beta1PredictorSpec:
    return V1beta1PredictorSpec(
        min_replicas=policy.min_replicas,
        max_replicas=policy.max_replicas,
        scale_metric="cpu",
        scale_target=SCALE_AT_CPU_PERCENT,
        labels=_labels(served),
        automount_service_account_token=False,
        security_context=client.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
        ),
        containers=[_container(served)],
        volumes=[client.V1Volume(name="scratch", empty_dir=client.V1EmptyDirVolumeSource(size_limit="64Mi"))],
    )


def _container(served: Served) -> client.V1Container:
    return client.V1Container(
        name="kserve-container",
        image=SERVING_IMAGE,
        command=["python", "-m", "components.serving"],
        args=["serve", "--model-dir", MODEL_FOLDER, "--model-name", served.model_name, "--port", str(PORT), "--grpc", "off"],
        # A custom predictor names its model in this variable; the storage initializer reads it.
        env=[client.V1EnvVar(name="STORAGE_URI", value=served.storage_uri)],
        ports=[client.V1ContainerPort(container_port=PORT, protocol="TCP")],
        resources=client.V1ResourceRequirements(requests=dict(REQUESTS), limits=dict(LIMITS)),
        security_context=client.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=client.V1Capabilities(drop=["ALL"]),
        ),
        startup_probe=_probe("/v2/health/live", period_seconds=2, failure_threshold=30),
        readiness_probe=_probe(f"/v2/models/{served.model_name}/ready", period_seconds=5, failure_threshold=3),
        liveness_probe=_probe("/v2/health/live", period_seconds=10, failure_threshold=6),
        volume_mounts=[client.V1VolumeMount(name="scratch", mount_path="/tmp")],  # noqa: S108 - the container's own
    )


def _probe(path: str, *, period_seconds: int, failure_threshold: int) -> client.V1Probe:
    return client.V1Probe(
        http_get=client.V1HTTPGetAction(path=path, port=PORT),
        period_seconds=period_seconds,
        timeout_seconds=2,
        failure_threshold=failure_threshold,
    )
