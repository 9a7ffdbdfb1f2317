"""The InferenceService that serves registry versions, in KServe's two deployment modes.

Standard (Deployment, Service, autoscaler, Gateway API routes): ``spec.predictor`` is what serves,
and ``spec.canary[]`` gets a percentage of the traffic, 0 being a dark launch. Knative:
``spec.predictor`` is the newest revision, and ``canaryTrafficPercent`` is its share. Each mode
ignores the other's field.

KServe copies the annotations and labels of the InferenceService into the pods, and a change there
restarts them; the predictor's own win. So each predictor carries a constant under every key that
changes (`SHIELD`).

The types are those of KServe's SDK; what they leave open (a canary without a name or with
autoscaling, which KServe's webhook refuses) is settled here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml
from kserve import (
    ApiClient,
    V1beta1CanarySpec,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1PredictorSpec,
)
from kubernetes import client

from components.deployment.manifest.names import label_value, revision_name, service_name
from components.shared.errors import InputError
from components.shared.preset import ServingPolicy
from components.shared.serialization import to_json
from components.shared.store.interface import claim_of

SERVING_IMAGE = "emotion-serving"
MODEL_FOLDER = "/mnt/models"
STORAGE_CONTAINER = "emotion"  # a ClusterStorageContainer of infra/kustomize
PORT = 8080
USER = 65532  # nobody's; the same in every image
GRACE_SECONDS = 45  # the predictor drains for up to 30
SCALE_AT_CPU_PERCENT = 70
SCALE_AT_CONCURRENCY = 8
GPU = "nvidia.com/gpu"

VERSION_LABEL = "emotion/version"
REVISION_LABEL = "emotion/revision"
ROLLOUT = "emotion/rollout"
REQUEST = "emotion/rollout-request"
RUN_ID = "emotion/run-id"
SHIELD = dict.fromkeys((ROLLOUT, REQUEST, RUN_ID), "see-the-inference-service")
AUTOSCALING_FIELDS = ("maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling")

Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """What is to be served: one version, where it lies and which run promoted it.

    Attributes:
        image: of the predictor, with a tag or, better, a digest (``name@sha256:…``).
        store: URI of the store, where the predictor keeps features of its requests if the preset
            says so.
        signature: of the version's manifest, where the preset names a public key.
    """

    model_name: str
    version: str
    run_id: str
    storage_uri: str
    image: str = SERVING_IMAGE
    store: str = ""
    signature: str = ""

    def __post_init__(self) -> None:
        if re.fullmatch(r"[\w][\w.:/-]*(@sha256:[0-9a-f]{64})?", self.image) is None:
            raise InputError(
                "this is no image",
                expected="name:tag or name@sha256:<64 hex digits>",
                received=repr(self.image),
            )


def inference_service(served: Served, policy: ServingPolicy) -> str:
    """Return the manifest of a version that gets all the traffic, as YAML.

    The same bytes for the same arguments.
    """
    stable = predictor(served, policy)
    return str(
        yaml.safe_dump(
            service(served.model_name, policy, stable, annotations={RUN_ID: served.run_id}),
            sort_keys=True,
            width=120,
        )
    )


def service(
    model_name: str,
    policy: ServingPolicy,
    stable: Json,
    canary: tuple[Json, int] | None = None,
    annotations: dict[str, str] | None = None,
) -> Json:
    """Return the InferenceService as JSON.

    Args:
        stable: the predictor that serves; in Knative mode the newest.
        canary: in Standard mode the other predictor and its percentage of the traffic; its replicas
            are fixed.
        annotations: beside the mode's own.
    """
    made = V1beta1InferenceService(
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        metadata=client.V1ObjectMeta(
            name=service_name(model_name),
            namespace=policy.namespace,
            labels={
                "app.kubernetes.io/name": label_value(model_name),
                "app.kubernetes.io/part-of": "emotion-retraining",
                VERSION_LABEL: stable["labels"][VERSION_LABEL],
            },
            annotations={**_mode_annotations(policy.mode), **(annotations or {})},
        ),
        spec=V1beta1InferenceServiceSpec(
            predictor=stable, canary=[_canary(*canary)] if canary else None
        ),
    )
    return dict(ApiClient().sanitize_for_serialization(made))


def predictor(served: Served, policy: ServingPolicy) -> Json:
    """One version as ``spec.predictor``. Its revision label follows from its content.

    See `names.revision_name`.
    """
    knative = policy.mode == "Knative"
    made = V1beta1PredictorSpec(
        min_replicas=policy.min_replicas,
        max_replicas=policy.max_replicas,
        scale_metric="concurrency" if knative else "cpu",
        scale_target=SCALE_AT_CONCURRENCY if knative else SCALE_AT_CPU_PERCENT,
        annotations=dict(SHIELD),
        service_account_name=policy.service_account,
        automount_service_account_token=False,
        # KServe's own initializer has no security context, which a restricted namespace demands; a
        # claim needs no initializer.
        storage_container_name=STORAGE_CONTAINER
        if served.storage_uri.startswith(("gs://", "s3://"))
        else None,
        # Knative refuses security settings and tolerations of a whole pod unless its administrator
        # allows them.
        security_context=None if knative else _pod_security(),
        termination_grace_period_seconds=None if knative else GRACE_SECONDS,
        tolerations=[client.V1Toleration(key=GPU, operator="Exists", effect="NoSchedule")]
        if policy.gpus and not knative
        else None,
        containers=[_container(served, policy)],
        volumes=[
            client.V1Volume(
                name="scratch", empty_dir=client.V1EmptyDirVolumeSource(size_limit="64Mi")
            )
        ],
    )
    template: Json = ApiClient().sanitize_for_serialization(made)
    revision = revision_name(served.version, to_json(template))
    labels = {
        "app.kubernetes.io/name": label_value(served.model_name),
        "app.kubernetes.io/part-of": "emotion-retraining",
        VERSION_LABEL: label_value(served.version),
        REVISION_LABEL: revision,
    }
    # In Knative mode a name would make a service of its own of each revision.
    return (
        {**template, "labels": labels}
        if knative
        else {**template, "name": revision, "labels": labels}
    )


def storage_uri(location: str) -> str:
    """Return a version's location as a URI; a folder of this machine becomes file://."""
    return location if "://" in location else f"file://{location}"


def _canary(other: Json, percent: int) -> V1beta1CanarySpec:
    if not other.get("name"):
        raise InputError(
            "a canary needs a name",
            expected="spec.predictor.name",
            fix="deploy it with this project's manifest",
        )
    fixed = {key: value for key, value in other.items() if key not in AUTOSCALING_FIELDS}
    return V1beta1CanarySpec(predictor=fixed, traffic_percent=percent)


def _mode_annotations(mode: str) -> dict[str, str]:
    if mode == "Knative":
        # Tags give the newest and the previous revision addresses of their own.
        return {
            "serving.kserve.io/deploymentMode": "Knative",
            "serving.kserve.io/enable-tag-routing": "true",
        }
    return {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "hpa",
    }


def _pod_security() -> client.V1PodSecurityContext:
    return client.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
    )


def _container(served: Served, policy: ServingPolicy) -> client.V1Container:
    gpus = {GPU: str(policy.gpus)} if policy.gpus else {}
    return client.V1Container(
        name="kserve-container",
        image=served.image,
        command=["python", "-m", "components.serving"],
        args=[
            "serve",
            "--model-dir",
            MODEL_FOLDER,
            "--model-name",
            served.model_name,
            "--port",
            str(PORT),
            "--grpc",
            "off",
            *["--faces"] * policy.faces,
            *_proved(served, policy),
            *_observed(served, policy),
        ],
        # A custom predictor names its model in this variable: KServe copies it to MODEL_FOLDER, or
        # mounts a claim's folder there.
        env=[client.V1EnvVar(name="STORAGE_URI", value=served.storage_uri)],
        ports=[client.V1ContainerPort(container_port=PORT, protocol="TCP")],
        resources=client.V1ResourceRequirements(
            requests={"cpu": policy.cpu_request, "memory": policy.memory_request, **gpus},
            limits={"cpu": policy.cpu, "memory": policy.memory, **gpus},
        ),
        security_context=client.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            capabilities=client.V1Capabilities(drop=["ALL"]),
            seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
        ),
        startup_probe=_probe("/v2/health/live", period_seconds=2, failure_threshold=30),
        readiness_probe=_probe(
            f"/v2/models/{served.model_name}/ready", period_seconds=5, failure_threshold=3
        ),
        liveness_probe=_probe("/v2/health/live", period_seconds=10, failure_threshold=6),
        volume_mounts=[client.V1VolumeMount(name="scratch", mount_path="/tmp")],  # noqa: S108 - the container's own
    )


def _proved(served: Served, policy: ServingPolicy) -> list[str]:
    """Arguments that have the predictor check who signed the version before it loads it."""
    return (
        ["--public-key", policy.public_key, "--signature", served.signature]
        if policy.public_key
        else []
    )


def _observed(served: Served, policy: ServingPolicy) -> list[str]:
    """Arguments that turn shadow traffic and payload logging on.

    Raises InputError for features that would go onto a claim.
    """
    if policy.payload and claim_of(served.store):
        # KServe mounts the version read-only, and the kubelet hangs on a claim that a pod names in
        # two volumes.
        raise InputError(
            "a predictor only reads a claim",
            expected="a store in gs:// or s3://",
            received=served.store,
            fix="or leave serving.payload out",
        )
    shadow = ["--shadow", to_json(policy.shadow)] if policy.shadow else []
    payload = (
        ["--payload", to_json(policy.payload), "--payload-store", served.store]
        if policy.payload
        else []
    )
    return shadow + payload


def _probe(path: str, *, period_seconds: int, failure_threshold: int) -> client.V1Probe:
    return client.V1Probe(
        http_get=client.V1HTTPGetAction(path=path, port=PORT),
        period_seconds=period_seconds,
        timeout_seconds=2,
        failure_threshold=failure_threshold,
    )
