"""A proxy for tests that stands before a real HTTP server and breaks some of its answers."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP = {"connection", "transfer-encoding", "keep-alive", "host"}


LATE_SECONDS = 1.0


@dataclass
class Proxy:
    """``fault(path, n)`` says what becomes of the n-th request of a path, from 0.

    A status; reset: nothing is done and the connection breaks; lost: it is done and the connection
    breaks; late: it is done and answered after `LATE_SECONDS`; cut: half of the answer comes; or
    nothing. Reads and writes of a path are counted apart.
    """

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
            self._pass_on(self.path + self.headers.get("Range", ""))

        def do_POST(self) -> None:
            self._pass_on(f"{self.command} {self.path}")

        def _pass_on(self, counted: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.fault(self.path, proxy.asked[counted])
            proxy.asked[counted] += 1
            proxy.met[fault] += 1
            self.close_connection = True
            if fault == "reset":
                self._reset()
            elif fault.isdigit():
                self._answer(int(fault), [], b"busy", 4)
            else:
                status, headers, content = self._upstream(body)
                if fault == "late":
                    time.sleep(LATE_SECONDS)
                if fault == "lost":
                    self._reset()
                else:
                    self._answer(
                        status,
                        headers,
                        content[: len(content) // 2] if fault == "cut" else content,
                        len(content),
                    )

        def _upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            upstream = http.client.HTTPConnection(host, port, timeout=30)
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in HOP
            }
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            return answer.status, answer.getheaders(), content

        def _reset(self) -> None:
            """Close so that what was sent is dropped: the client sees a reset."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        do_HEAD = do_GET  # noqa: N815
        do_PUT = do_DELETE = do_POST  # noqa: N815

        def _answer(
            self, status: int, headers: list[tuple[str, str]], body: bytes, length: int
        ) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in (*HOP, "content-length", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
