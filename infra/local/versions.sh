# What up.sh installs. Kubeflow Pipelines and KServe are those of the clients in pyproject.toml; a test holds them together.
# shellcheck shell=bash disable=SC2034
PIPELINES_VERSION=2.17.0
KSERVE_VERSION=v0.21.0
KUBERNETES_VERSION=v1.34.0 # of minikube; kind brings the one that it was released with
PROMETHEUS_OPERATOR_VERSION=v0.85.0
