"""The part of Google Cloud Storage's JSON API that reading needs, over HTTP, so that the real client runs against it."""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = 7


@dataclass
class Buckets:
    """Bucket name to object name to (content, generation); `failing` names are answered with 403."""

    objects: dict[str, dict[str, tuple[bytes, int]]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    downloads: list[str] = field(default_factory=list)
    url: str = ""

    def put(self, bucket: str, name: str, content: bytes, generation: int = 1) -> None:
        self.objects.setdefault(bucket, {})[name] = (content, generation)


@contextmanager
def serving() -> Iterator[Buckets]:
    buckets = Buckets()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            address = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(address.query))
            found = re.fullmatch(r"(/download)?/storage/v1/b/([^/]+)/o(?:/([^/]+))?", address.path)
            if found is None or found[2] not in buckets.objects:
                self._answer(404, b'{"error": {"code": 404, "message": "no such bucket"}}')
            elif found[3] is None:
                self._list(found[2], query)
            else:
                self._object(found[2], urllib.parse.unquote(found[3]), query, download=bool(found[1]))

        def _list(self, bucket: str, query: dict[str, str]) -> None:
            if query.get("fields") != "items(name,size,generation),nextPageToken":
                self._answer(400, b'{"error": {"code": 400, "message": "fields"}}')
                return
            names = sorted(name for name in buckets.objects[bucket] if name.startswith(query.get("prefix", "")))
            start = int(query.get("pageToken", 0))
            body: dict[str, Any] = {"items": [self._resource(bucket, name) for name in names[start : start + PAGE]]}
            if start + PAGE < len(names):
                body["nextPageToken"] = str(start + PAGE)
            self._answer(200, json.dumps(body).encode())

        def _object(self, bucket: str, name: str, query: dict[str, str], *, download: bool) -> None:
            if name in buckets.failing:
                self._answer(403, b'{"error": {"code": 403, "message": "forbidden"}}')
                return
            if name not in buckets.objects[bucket]:
                self._answer(404, b'{"error": {"code": 404, "message": "no such object"}}')
                return
            content, generation = buckets.objects[bucket][name]
            if int(query.get("ifGenerationMatch", generation)) != generation:
                self._answer(412, b'{"error": {"code": 412, "message": "generation"}}')
            elif not download and query.get("alt") != "media":
                self._answer(200, json.dumps(self._resource(bucket, name)).encode())
            else:
                buckets.downloads.append(name)
                span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                if span is None:
                    self._answer(200, content)
                elif int(span[1]) >= len(content):
                    self._answer(416, b"")
                else:
                    end = min(int(span[2] or len(content)), len(content) - 1)
                    self._answer(206, content[int(span[1]) : end + 1], f"bytes {span[1]}-{end}/{len(content)}")

        def _resource(self, bucket: str, name: str) -> dict[str, str]:
            content, generation = buckets.objects[bucket][name]
            return {"name": name, "bucket": bucket, "size": str(len(content)), "generation": str(generation)}

        def _answer(self, status: int, body: bytes, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    buckets.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield buckets
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
