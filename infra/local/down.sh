#!/usr/bin/env bash
# Remove what up.sh made, with everything in it.
#
#   infra/local/down.sh kind|minikube
set -euo pipefail
case "${1:-}" in
    kind) remove=(kind delete cluster --name emotion) ;;
    minikube) remove=(minikube delete --profile emotion) ;;
    *) echo "usage: infra/local/down.sh kind|minikube" >&2; exit 2 ;;
esac
command -v "$1" >/dev/null || { echo "down: not installed: $1" >&2; exit 5; }
"${remove[@]}"
