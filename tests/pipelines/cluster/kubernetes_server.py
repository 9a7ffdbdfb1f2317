"""A Kubernetes API server as far as it is read before a run is submitted.

Objects by name, nodes, and who may read what.

Strict: without the right token the answer is 401, without the right 403 whether or not the object
is there, and what isn't served is 404 with a Status object, as in k8s.io/apiserver
(pkg/endpoints/handlers/responsewriters).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

TOKEN = "desk"
_NAMESPACED = re.compile(r"/api/v1/namespaces/([^/]+)/([a-z]+)/([^/]+)")
_ONE = re.compile(r"/api/v1/(namespaces)/([^/]+)")
KINDS = {
    "namespaces": "Namespace",
    "serviceaccounts": "ServiceAccount",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "secrets": "Secret",
    "services": "Service",
}


@dataclass
class KubernetesServer:
    """Its state.

    Attributes:
        objects: (namespace, plural, name); the namespace of a namespace is "". nodes: as JSON.
        forbidden: plurals that the token's holder may not read.
    """

    objects: set[tuple[str, str, str]] = field(
        default_factory=lambda: {
            ("", "namespaces", "kubeflow"),
            ("kubeflow", "services", "ml-pipeline"),
        }
    )
    nodes: list[dict[str, Any]] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def add_node(
        self,
        name: str,
        cpu: str,
        memory: str,
        *taints: str,
        gpus: int = 0,
        pool: str = "",
        unschedulable: bool = False,
    ) -> None:
        offers = {"cpu": cpu, "memory": memory, **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
        kept = [{"key": taint, "effect": "NoSchedule"} for taint in taints]
        self.nodes.append(
            {
                "metadata": {"name": name, "labels": {"emotion/pool": pool} if pool else {}},
                "spec": {"taints": kept, **({"unschedulable": True} if unschedulable else {})},
                "status": {"allocatable": offers},
            }
        )

    def answer(self, path: str, token: str) -> tuple[int, dict[str, Any]]:
        self.requests.append(path)
        if token != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized", "Unauthorized")
        match = _NAMESPACED.fullmatch(path) or _ONE.fullmatch(path)
        plural = (
            "nodes"
            if path == "/api/v1/nodes"
            else match[match.lastindex - 1]
            if match and match.lastindex
            else ""
        )
        if plural in self.forbidden:
            return _status(
                403,
                "Forbidden",
                f'{plural} is forbidden: User "desk" cannot get resource "{plural}" in API'
                ' group ""',
            )
        if plural == "nodes":
            return 200, {
                "kind": "NodeList",
                "apiVersion": "v1",
                "metadata": {},
                "items": self.nodes,
            }
        if match is None or plural not in KINDS:
            return _status(404, "NotFound", "the server could not find the requested resource")
        namespace, name = ("", match[2]) if plural == "namespaces" else (match[1], match[3])
        if (namespace, plural, name) not in self.objects:
            return _status(404, "NotFound", f'{plural} "{name}" not found')
        return 200, {
            "kind": KINDS[plural],
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace},
        }


def _status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }


@contextmanager
def serving() -> Iterator[KubernetesServer]:
    """The server on a port of its own, until the end of the block."""
    state = KubernetesServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = state.answer(
                self.path.partition("?")[0], self.headers.get("authorization") or ""
            )
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def write_kubeconfig(path: Path, url: str, token: str = TOKEN) -> Path:
    """A kubeconfig whose current context is `desk`."""
    context = {"cluster": "c", "user": "u"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "desk",
        "contexts": [{"name": "desk", "context": context}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path
