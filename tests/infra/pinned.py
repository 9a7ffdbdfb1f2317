"""What the pinned versions of Kubeflow Pipelines and KServe call their objects.

Facts read in their manifests, no copies of them.

Another version in infra/local/versions.sh? Read its manifests, correct what stands here, and name
the version.
"""

from __future__ import annotations

PIPELINES_VERSION = "2.17.0"
# Service to ports. manifests/kustomize/base/pipeline/ml-pipeline-apiserver-service.yaml,
# ml-pipeline-ui-service.yaml, third-party/seaweedfs/base/seaweedfs/seaweedfs-service.yaml (9000
# leads to the pod's 8333)
PIPELINES_SERVICES = {
    "ml-pipeline": {8888, 8887},
    "ml-pipeline-ui": {80},
    "seaweedfs": {8111, 8333, 9000, 9333, 19333, 18888, 8888},
}
STORE_LABELS = {"app": "seaweedfs"}  # of the store's pods: .../seaweedfs/seaweedfs-deployment.yaml
STORE_PORT = 8333  # of the store's pods, and the one that its NetworkPolicy admits: .../seaweedfs/seaweedfs-networkpolicy.yaml
# Secret to keys: .../seaweedfs/mlpipeline-minio-artifact-secret.yaml
PIPELINES_SECRETS = {"mlpipeline-minio-artifact": {"accesskey", "secretkey"}}
# base/installs/generic/kustomization.yaml (kfp-launcher), third-party/argo
# (workflow-controller-configmap)
PIPELINES_CONFIG_MAPS = {"kfp-launcher", "workflow-controller-configmap"}
PIPELINES_DEPLOYMENTS = {"ml-pipeline", "ml-pipeline-scheduledworkflow"}
PIPELINES_KUSTOMIZATIONS = {"cluster-scoped-resources", "env/platform-agnostic"}
PIPELINES_BUCKET = "mlpipeline"  # base/installs/generic/pipeline-install-config.yaml
PIPELINES_CRDS = {
    "applications.app.k8s.io"
}  # third-party/application/cluster-scoped/application-crd.yaml

KSERVE_VERSION = "v0.21.0"
KSERVE_NAMESPACE = "kserve"
KSERVE_DEPLOYMENTS = {"kserve-controller-manager"}
# Config map to the key and field that are changed: config/configmap/inferenceservice.yaml
KSERVE_CONFIG = {"inferenceservice-config": ("ingress", "enableGatewayApi")}
KSERVE_INSTALLER = (  # hack/setup/quick-install, an asset of each release
    "kserve-standard-mode-full-install-with-manifests.sh"
)
# Annotations of a secret with S3 keys: pkg/credentials/s3/s3_secret.go
KSERVE_S3_ANNOTATIONS = {
    "s3-endpoint",
    "s3-region",
    "s3-verifyssl",
    "s3-usehttps",
    "s3-usevirtualbucket",
    "s3-useanoncredential",
}
