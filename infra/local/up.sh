#!/usr/bin/env bash
# A cluster on this machine with Kubeflow Pipelines, KServe (Standard mode), this project's resources and its images.
#
#   infra/local/up.sh kind               a cluster in containers, without a GPU
#   infra/local/up.sh minikube           the same on minikube
#   infra/local/up.sh minikube --gpus    with this machine's NVIDIA GPUs
#
# It can be run again at any time: what stands is left as it is. No task of the drawn faces asks for more than 2 CPUs and 3 GB of memory.
# Needs an engine that runs privileged containers, kubectl, helm, kind or minikube, and the internet; kubectl fetches
# Kubeflow Pipelines with git, and KServe's installer edits its settings with jq.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=infra/local/versions.sh
. infra/local/versions.sh

NAME=emotion
GPUS=no
PLACE=${1:-}
case "${2:-}" in
    --gpus) GPUS=all ;;
    "") ;;
    *) echo "up: unknown option $2; expected --gpus" >&2; exit 2 ;;
esac
case "$PLACE" in
    kind)
        CONTEXT=kind-$NAME
        [ "$GPUS" = no ] || { echo "up: kind has no GPUs; use minikube --gpus" >&2; exit 2; } ;;
    minikube) CONTEXT=$NAME ;;
    *) echo "usage: infra/local/up.sh kind|minikube [--gpus]" >&2; exit 2 ;;
esac

missing=()
for tool in "$PLACE" kubectl helm docker curl git jq make python3; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -eq 0 ] || { echo "up: not installed: ${missing[*]}" >&2; exit 5; }
docker version >/dev/null 2>&1 || { echo "up: docker reaches no engine; start it first" >&2; exit 5; }

trap '[ $? -eq 0 ] || echo "up: $doing failed, see above; what stands is kept: run this again, or infra/local/down.sh $PLACE" >&2' EXIT

on() { kubectl --context "$CONTEXT" "$@"; }

make_cluster() {
    if [ "$PLACE" = kind ]; then
        kind get clusters | grep -qx "$NAME" || kind create cluster --name "$NAME" --wait 300s
    else
        local options=(--profile "$NAME" --kubernetes-version "$KUBERNETES_VERSION" --driver docker --cni calico --memory 24g)
        [ "$GPUS" = no ] || options+=(--gpus all --container-runtime docker)
        minikube status --profile "$NAME" >/dev/null 2>&1 || minikube start "${options[@]}"
        [ "$GPUS" = no ] || on label nodes --all --overwrite emotion/pool=gpu
    fi
}

references() {
    python3 - "$GPUS" <<'END'
import sys
from pipelines.code_version import image_references
print(*image_references("localhost", gpu=sys.argv[1] == "all").values(), sep="\n")
END
}

load_images() {
    if [ "$GPUS" = all ]; then make images GPU=1; else make images; fi
    local references
    mapfile -t references < <(references)
    if [ "$PLACE" = kind ]; then
        kind load docker-image --name "$NAME" "${references[@]}"
    else
        minikube image load --profile "$NAME" "${references[@]}"
    fi
}

install_pipelines() {
    local source="github.com/kubeflow/pipelines/manifests/kustomize"
    on apply -k "$source/cluster-scoped-resources?ref=$PIPELINES_VERSION"
    on wait --for condition=established --timeout=60s crd/applications.app.k8s.io
    on apply -k "$source/env/platform-agnostic?ref=$PIPELINES_VERSION"
    on -n kubeflow rollout status deployment/ml-pipeline --timeout=900s
}

# KServe's release brings a script with everything in it: certificates, the gateway, the controller.
install_kserve() {
    if ! on -n kserve get deployment/kserve-controller-manager >/dev/null 2>&1; then
        local script
        script=$(mktemp)
        curl -fsSL -o "$script" \
            "https://github.com/kserve/kserve/releases/download/$KSERVE_VERSION/kserve-standard-mode-full-install-with-manifests.sh"
        kubectl config use-context "$CONTEXT"
        bash "$script"
        rm "$script"
    fi
    # A rollout shifts traffic in Gateway API routes. KServe decides when it starts whether it watches them.
    local patch
    patch=$(on -n kserve get configmap inferenceservice-config -o jsonpath='{.data.ingress}' | python3 -c '
import json, sys
ingress = json.load(sys.stdin)
if not ingress.get("enableGatewayApi"):
    print(json.dumps({"data": {"ingress": json.dumps(ingress | {"enableGatewayApi": True})}}))')
    if [ -n "$patch" ]; then
        on -n kserve patch configmap inferenceservice-config --type merge --patch "$patch"
        on -n kserve rollout restart deployment/kserve-controller-manager
    fi
    on -n kserve rollout status deployment/kserve-controller-manager --timeout=600s
}

# The predictor and the steps read the store with the keys that Kubeflow Pipelines made for it.
copy_keys() {
    local user password address=http://seaweedfs.kubeflow:8333
    user=$(on -n kubeflow get secret mlpipeline-minio-artifact -o jsonpath='{.data.accesskey}' | base64 -d)
    password=$(on -n kubeflow get secret mlpipeline-minio-artifact -o jsonpath='{.data.secretkey}' | base64 -d)
    on -n kubeflow create secret generic emotion-object-store --dry-run=client -o yaml \
        --from-file=credentials=<(printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$user" "$password") \
        --from-file=config=<(printf '[default]\nregion = us-east-1\nendpoint_url = %s\n' "$address") | on apply -f -
    on -n emotion create secret generic emotion-store --dry-run=client -o yaml \
        --from-file=AWS_ACCESS_KEY_ID=<(printf %s "$user") --from-file=AWS_SECRET_ACCESS_KEY=<(printf %s "$password") | on apply -f -
    on -n emotion annotate secret emotion-store --overwrite \
        serving.kserve.io/s3-endpoint=seaweedfs.kubeflow:8333 serving.kserve.io/s3-usehttps=0 serving.kserve.io/s3-region=us-east-1
}

# The overlay, with the image that was built.
apply_resources() {
    on apply --server-side -f \
        "https://github.com/prometheus-operator/prometheus-operator/releases/download/$PROMETHEUS_OPERATOR_VERSION/stripped-down-crds.yaml"
    local image
    image=$(references | grep emotion-serving)
    mkdir -p build/kustomize
    cat >build/kustomize/kustomization.yaml <<END
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../infra/kustomize/overlays/$PLACE]
images: [{name: emotion-serving, newName: ${image%:*}, newTag: "${image##*:}"}]
END
    # Not kubectl's own apply: it sends the whole selector of a PodDisruptionBudget each time, and calls that a change.
    on apply --server-side -k build/kustomize
}

doing="making the cluster"
make_cluster
doing="building and loading the images"
load_images
doing="installing Kubeflow Pipelines"
install_pipelines
doing="installing KServe"
install_kserve
doing="applying infra/kustomize"
apply_resources
doing="copying the store's keys"
copy_keys
echo "up: kubectl --context $CONTEXT; the pages of Kubeflow Pipelines: kubectl --context $CONTEXT -n kubeflow port-forward svc/ml-pipeline-ui 8080:80"
