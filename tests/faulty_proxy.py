"""A proxy for tests that stands before a real HTTP server and breaks some of its answers."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP = {"connection", "transfer-encoding", "keep-alive", "host"}


@dataclass
class Proxy:
    """``fault(path, n)`` says what becomes of the n-th GET of a path, from 0: a status, reset, cut, or nothing."""

    fault: Callable[[str, int], str]
    url: str = ""
    met: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)


@contextmanager
def proxy_before(host: str, port: int, fault: Callable[[str, int], str]) -> Iterator[Proxy]:
    proxy = Proxy(fault)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            span = self.headers.get("Range", "")
            fault = proxy.fault(self.path, proxy.asked[self.path + span])
            proxy.asked[self.path + span] += 1
            proxy.met[fault] += 1
            self.close_connection = True
            if fault == "reset":
                # A close that drops what was sent: the client sees a reset.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            elif fault.isdigit():
                self._answer(int(fault), [], b"busy", 4)
            else:
                upstream = http.client.HTTPConnection(host, port, timeout=30)
                upstream.request("GET", self.path, headers={k: v for k, v in self.headers.items() if k.lower() not in HOP})
                answer = upstream.getresponse()
                body = answer.read()
                upstream.close()
                sent = body[: len(body) // 2] if fault == "cut" else body
                self._answer(answer.status, answer.getheaders(), sent, len(body))

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in (*HOP, "content-length", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
