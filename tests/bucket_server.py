"""The part of Google Cloud Storage's JSON API that the real client uses here, over HTTP, with its preconditions enforced.

In this process (`serving`), or as one of its own (`bucket_process`). Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from unittest import mock

PAGE = 7


@dataclass
class Buckets:
    """Bucket name to object name to (content, generation); `failing` names are answered with 403.

    Attributes:
        updated: bucket and object name to the time of change that is told; now for what isn't
            named.
    """

    objects: dict[str, dict[str, tuple[bytes, int]]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    downloads: list[str] = field(default_factory=list)
    updated: dict[tuple[str, str], datetime] = field(default_factory=dict)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    generations: int = 1000

    def put(self, bucket: str, name: str, content: bytes, generation: int = 1) -> None:
        self.objects.setdefault(bucket, {})[name] = (content, generation)

    def upload(self, bucket: str, name: str, content: bytes) -> None:
        """What a client's upload does: the object gets a generation that none had before."""
        self.generations += 1
        self.updated[bucket, name] = datetime.now(timezone.utc)
        self.put(bucket, name, content, self.generations)

    def generation(self, bucket: str, name: str) -> int:
        """0 where there is no object, as in preconditions."""
        return self.objects[bucket].get(name, (b"", 0))[1]


class Handler(BaseHTTPRequestHandler):
    buckets: Buckets

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        bucket, name, query, download = self._address()
        if bucket not in self.buckets.objects:
            self._refuse(404, "no such bucket")
        elif name is None:
            self._list(bucket, query)
        else:
            self._object(bucket, name, query, download=download)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        bucket, _, query, _ = self._address()
        if bucket not in self.buckets.objects or query.get("uploadType") != "multipart":
            self._refuse(404, "no such bucket, or another upload than multipart")
            return
        form = message_from_bytes(
            f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body
        )
        about, media = (
            cast(bytes, cast(Message, part).get_payload(decode=True))
            for part in cast(list[Message], form.get_payload())
        )
        name = json.loads(about)["name"]
        with self.buckets.lock:
            if self._fulfilled(bucket, name, query):
                self.buckets.upload(bucket, name, media)
                self._answer(200, json.dumps(self._resource(bucket, name)).encode())

    def do_DELETE(self) -> None:
        bucket, name, query, _ = self._address()
        with self.buckets.lock:
            if name not in self.buckets.objects.get(bucket, {}):
                self._refuse(404, "no such object")
            elif self._fulfilled(bucket, name or "", query):
                del self.buckets.objects[bucket][name or ""]
                self._answer(204, b"")

    def _address(self) -> tuple[str, str | None, dict[str, str], bool]:
        address = urllib.parse.urlsplit(self.path)
        found = re.fullmatch(
            r"/?(/download|/upload)?/storage/v1/b/([^/]+)/o(?:/([^/]+))?", address.path
        )
        query = dict(urllib.parse.parse_qsl(address.query))
        if found is None:
            return "", None, query, False
        return (
            found[2],
            urllib.parse.unquote(found[3]) if found[3] else None,
            query,
            found[1] == "/download",
        )

    def _fulfilled(self, bucket: str, name: str, query: dict[str, str]) -> bool:
        if name in self.buckets.failing:
            self._refuse(403, "forbidden")
        elif int(
            query.get("ifGenerationMatch", self.buckets.generation(bucket, name))
        ) != self.buckets.generation(bucket, name):
            self._refuse(412, "generation")
        else:
            return True
        return False

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        wanted = re.fullmatch(r"items\(([\w,]+)\),nextPageToken", query.get("fields", ""))
        if wanted is None:
            self._refuse(400, "fields")
            return
        fields = wanted[1].split(",")
        with self.buckets.lock:
            names = sorted(
                name
                for name in self.buckets.objects[bucket]
                if name.startswith(query.get("prefix", ""))
            )
            start = int(query.get("pageToken", 0))
            resources = [self._resource(bucket, name) for name in names[start : start + PAGE]]
        body: dict[str, Any] = {
            "items": [{field: resource[field] for field in fields} for resource in resources]
        }
        if start + PAGE < len(names):
            body["nextPageToken"] = str(start + PAGE)
        self._answer(200, json.dumps(body).encode())

    def _object(self, bucket: str, name: str, query: dict[str, str], *, download: bool) -> None:
        with self.buckets.lock:
            if name not in self.buckets.objects[bucket] and name not in self.buckets.failing:
                self._refuse(404, "no such object")
                return
            if not self._fulfilled(bucket, name, query):
                return
            content, generation = self.buckets.objects[bucket][name]
            resource = json.dumps(self._resource(bucket, name)).encode()
        if not download and query.get("alt") != "media":
            self._answer(200, resource)
            return
        self.buckets.downloads.append(name)
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        about = {"X-Goog-Generation": str(generation)}
        if span is None:
            self._answer(200, content, about)
        elif int(span[1]) >= len(content):
            self._answer(416, b"")
        else:
            end = min(int(span[2] or len(content)), len(content) - 1)
            self._answer(
                206,
                content[int(span[1]) : end + 1],
                {**about, "Content-Range": f"bytes {span[1]}-{end}/{len(content)}"},
            )

    def _resource(self, bucket: str, name: str) -> dict[str, str]:
        content, generation = self.buckets.objects[bucket][name]
        updated = self.buckets.updated.get((bucket, name), datetime.now(timezone.utc))
        return {
            "name": name,
            "bucket": bucket,
            "size": str(len(content)),
            "generation": str(generation),
            "updated": updated.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, json.dumps({"error": {"code": status, "message": message}}).encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _server(buckets: Buckets) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"buckets": buckets}))
    buckets.url = f"http://127.0.0.1:{server.server_port}"
    return server


@contextmanager
def serving() -> Iterator[Buckets]:
    """The server in this process, for tests that look into it."""
    buckets = Buckets()
    server = _server(buckets)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield buckets
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def bucket_process(name: str) -> Iterator[str]:
    """The server as a process of its own, with one bucket.

    Clients in this process and its children find it. Yields gs://name.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bucket_server", name], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with mock.patch.dict(
            os.environ, {"STORAGE_EMULATOR_HOST": process.stdout.readline().strip()}
        ):
            yield f"gs://{name}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


if __name__ == "__main__":
    standing = Buckets(objects={sys.argv[1]: {}})
    forever = _server(standing)
    print(standing.url, flush=True)
    forever.serve_forever()
