"""A cheap HTTP load client: one request again and again on kept connections, from one thread.

Standard library.

    python3 benchmarks/load_client.py --port 8080 --path /v1/models/x:predict --image face.jpg
    --clients 32 --seconds 10

Each client sends its next request when its last was answered (a closed loop). Prints one JSON
object: requests, errors (another status than 200, or a connection that ended), per_second, p50, p95
and p99 in milliseconds, cpu_milliseconds of this process per request. Sockets and a selector alone,
because it shares the CPUs with the server.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import sys
import time
from pathlib import Path

END_OF_HEADERS = b"\r\n\r\n"
HOST = "127.0.0.1"


class Connection:
    """One client: what it sends, when it did, and what came back so far."""

    def __init__(self, port: int, request: bytes) -> None:
        self.request = request
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send()

    def send(self) -> None:
        self.received = b""
        self.began = time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self) -> int | None:
        """HTTP status once the answer is whole, 0 when the connection ended, None before."""
        chunk = self.socket.recv(65536)
        self.received += chunk
        if not chunk:
            return 0
        end = self.received.find(END_OF_HEADERS)
        if end < 0:
            return None
        head = self.received[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        return int(self.received[9:12]) if len(self.received) >= end + 4 + length else None


def load(port: int, request: bytes, clients: int, seconds: float) -> dict[str, float]:
    """Run the closed loop; what was answered after the time is up isn't counted."""
    selector = selectors.EpollSelector()
    for _ in range(clients):
        connection = Connection(port, request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies: list[float] = []
    errors, cpu, began = 0, time.process_time(), time.perf_counter()
    end = began + seconds
    while (now := time.perf_counter()) < end:
        for key, _ in selector.select(end - now):
            connection = key.data
            status = connection.receive()
            if status is None:
                continue
            latencies.append(time.perf_counter() - connection.began)
            if status != 200:
                errors += 1
            if status:
                connection.send()
            else:
                selector.unregister(connection.socket)
                connection.socket.close()
                again = Connection(port, request)
                selector.register(again.socket, selectors.EVENT_READ, again)
    taken, cpu = time.perf_counter() - began, time.process_time() - cpu
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    ordered = sorted(latencies) or [float("inf")]
    quantiles = {
        f"p{share}": 1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
        for share in (50, 95, 99)
    }
    requests = max(1, len(latencies))
    return {
        "requests": len(latencies),
        "errors": errors,
        "per_second": len(latencies) / taken,
        **quantiles,
        "cpu_milliseconds": 1000 * cpu / requests,
    }


def post(path: str, body: bytes, kind: str) -> bytes:
    """The bytes of a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\nContent-Length:"
        f" {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--image", type=Path, required=True, help="the body of each request")
    parser.add_argument("--type", default="image/jpeg", help="its content type")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    request = post(arguments.path, arguments.image.read_bytes(), arguments.type)
    print(json.dumps(load(arguments.port, request, arguments.clients, arguments.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
