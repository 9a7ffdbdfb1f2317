"""Servers on loopback, so that the real clients are tested over real sockets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.deployment.rollout.kserve import KServe


class Answering(BaseHTTPRequestHandler):
    """A handler that keeps connections, and keeps quiet."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet for head and body

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server with this handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def api_server(kserve: KServe) -> Iterator[str]:
    """The URL of a Kubernetes API with this cluster behind it."""
    lock = threading.Lock()

    class Handler(Answering):
        def _do(self) -> None:
            body = self.body()
            try:
                with lock:
                    status, answer = kserve.handle(
                        self.command,
                        self.path,
                        dict(self.headers),
                        json.loads(body) if body else None,
                    )
            except ConnectionError:
                self.close_connection = True
                return
            if status == 200 and kserve.faults.get(kserve.calls - 1) == "slow":
                time.sleep(0.5)
            self.answer(status, json.dumps(answer).encode())

        do_GET = do_PATCH = do_POST = do_PUT = _do  # noqa: N815 - names of the library

    with serving(Handler) as url:
        yield url
