"""Run ``python -m components.deployment …`` as in a pod of the cluster of `cluster_process`.

Names of services and addresses of pods lead to that cluster's predictors, and the kubeconfig to its
API:

``PREDICTORS=http://127.0.0.1:PORT python -m tests.deployment.rollout.pod rollout start …``.
"""

from __future__ import annotations

import os
import runpy
import socket
import sys
import urllib.parse
from typing import Any

_predictors = urllib.parse.urlsplit(os.environ["PREDICTORS"])
_resolve = socket.getaddrinfo


def _in_the_cluster(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
    if str(host).endswith(".svc") or str(host).startswith("10.1."):
        return _resolve(_predictors.hostname, _predictors.port, *rest, **options)
    return _resolve(host, port, *rest, **options)


socket.getaddrinfo = _in_the_cluster
sys.argv = ["components.deployment", *sys.argv[1:]]
runpy.run_module("components.deployment", run_name="__main__", alter_sys=True)
