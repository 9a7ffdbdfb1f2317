"""HTTP in front of KServe's own application.

Predictions are answered here, by the predictor's own steps, under limits of size and time, with a
message for each bad request; routing and middleware of a web framework would take longer than a
small model. Everything else that is open (health, metadata, metrics) goes to KServe's application.
The rest is closed: a predictor serves one version, so nobody loads or unloads models.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import orjson
from kserve import InferResponse
from kserve.errors import InvalidInput

from components.serving import logs, metrics
from components.serving.http.body import Gone, Receive, Refused, Send, read_body
from components.serving.predictor.kserve_model import Predictor
from components.serving.predictor.workers import TooBusyError
from components.serving.protocol.payload import WANTED, json_of
from components.serving.protocol.tensors import WANTED as WANTED_V2
from components.serving.protocol.tensors import request_of
from components.shared.errors import InputError

IMAGES = ("image/jpeg", "image/png", "image/webp")
# What curl -d and Python's urllib send when nobody says what it is.
UNNAMED = ("", "application/x-www-form-urlencoded")
BINARY = "application/octet-stream"
JSON_LENGTH = "inference-header-content-length"
GONE = 499
_ID = re.compile(r"[\x21-\x7e]{1,128}")

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[str, str]

_log = logging.getLogger(logs.NAME)


class Front:
    """The ASGI application of the predictor's HTTP server.

    Args:
        kserve: KServe's application, for what isn't a prediction.

    Attributes:
        draining: set when the server is to end: readiness is refused, answers close their
            connections.
        busy: requests on their way. last: when one last came, in time.monotonic()'s seconds.
    """

    def __init__(self, predictor: Predictor, kserve: Application) -> None:
        self._predictor = predictor
        self._kserve = kserve
        name, version = predictor.name, predictor.classifier.version
        model = f"/v2/models/{name}"
        pinned = f"{model}/versions/{version}"
        self._predictions = {
            f"/v1/models/{name}:predict": "v1",
            f"{model}/infer": "v2",
            f"{pinned}/infer": "v2",
        }
        own = (
            "/",
            "/metrics",
            "/v1/models",
            f"/v1/models/{name}",
            "/v2",
            "/v2/health/live",
            "/v2/health/ready",
            "/v2/models",
        )
        self._pages = {path: path for path in (*own, model, f"{model}/ready")} | {
            pinned: model,
            f"{pinned}/ready": f"{model}/ready",
        }
        self.draining = False
        self.busy = 0
        self.last = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        protocol = self._predictions.get(path)
        if protocol and method == "POST":
            self.busy += 1
            try:
                await self._predict(protocol, scope, receive, send)
            finally:
                self.busy -= 1
                self.last = time.monotonic()
        elif path in self._pages and method == "GET":
            if self.draining and path.endswith("/ready"):
                await self._refuse(
                    Refused(503, "the server is ending; to fix it: ask another replica."), send
                )
            else:
                await self._kserve({**scope, "path": self._pages[path]}, receive, send)
        else:
            await self._refuse(self._closed(path, bool(protocol)), send)

    async def _predict(self, protocol: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if not _ID.fullmatch(headers.get("x-request-id", "")):
            headers["x-request-id"] = os.urandom(16).hex()
        request_id, began = headers["x-request-id"], time.perf_counter()
        more: Headers = {}
        try:
            body = await read_body(receive, headers)
            began = time.perf_counter()
            status, (content, more) = (
                200,
                await (self._v1 if protocol == "v1" else self._v2)(body, headers),
            )
        except (InvalidInput, InputError) as error:
            status, content = 400, _error(str(error))
        except Refused as refused:
            status, content = refused.status, _error(str(refused))
        except TooBusyError as error:
            status, content, more = (
                503,
                _error(f"the server is too busy ({error}); to fix it: send it again later."),
                {"retry-after": "1"},
            )
        except Gone:
            status, content = GONE, b""
        except Exception:  # noqa: BLE001 - whatever it is, the server goes on
            _log.exception("the prediction failed", extra={"id": request_id})
            status, content = (
                500,
                _error(
                    f"the prediction failed; the server's log says why, under the id {request_id}."
                ),
            )
        seconds = time.perf_counter() - began
        metrics.ANSWERED.labels(str(status)).inc()
        metrics.SECONDS.labels(protocol).observe(seconds)
        if status != GONE:
            await self._send(send, status, content, {"x-request-id": request_id, **more})
        why = {"error": content.decode()[:300]} if status >= 400 else {}
        logs.request(
            id=request_id,
            path=scope["path"],
            code=status,
            milliseconds=round(1000 * seconds, 3),
            **why,
        )

    async def _v1(self, body: bytes, headers: Headers) -> tuple[bytes, Headers]:
        kind = _kind(headers)
        if kind in IMAGES:
            payload: object = body
        elif kind == "application/json" or (kind in UNNAMED and body.lstrip()[:1] in (b"{", b"")):
            payload = json_of(body, WANTED)
        else:
            raise Refused(
                415,
                f"the content type {kind[:80] or 'is missing'} can't be used; expected"
                f" application/json with {WANTED}.",
            )
        response, _ = await self._predictor(payload, headers)
        return orjson.dumps(response), {}

    async def _v2(self, body: bytes, headers: Headers) -> tuple[bytes, Headers]:
        kind = _kind(headers)
        if kind not in ("application/json", BINARY, *UNNAMED):
            raise Refused(
                415,
                f"the content type {kind[:80]} can't be used; expected application/json with"
                f" {WANTED_V2}.",
            )
        request = request_of(body, headers.get(JSON_LENGTH), self._predictor.name)
        response, _ = await self._predictor(request, headers)
        return _encoded(response)

    def _closed(self, path: str, prediction: bool) -> Refused:
        name = self._predictor.name
        where = f"POST /v1/models/{name}:predict or POST /v2/models/{name}/infer"
        if path.startswith("/v2/repository/"):
            return Refused(
                403,
                "models are neither loaded nor unloaded here: this server has one version; to fix"
                f" it: {where}.",
            )
        if prediction or path in self._pages:
            return Refused(
                405,
                f"{path[:80]} takes {'POST' if prediction else 'GET'} only; to predict: {where}.",
            )
        return Refused(
            404,
            f"there is nothing at {path[:80]}; to predict: {where}; what is here: GET"
            f" /v2/models/{name}.",
        )

    async def _refuse(self, refused: Refused, send: Send) -> None:
        await self._send(send, refused.status, _error(str(refused)), {})

    async def _send(self, send: Send, status: int, content: bytes, headers: Headers) -> None:
        # After an error the rest of a body may be on its way, which must not be taken for the next
        # request.
        last = self.draining or status in (
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
        head = {
            "content-type": "application/json",
            "content-length": str(len(content)),
            **headers,
        } | ({"connection": "close"} if last else {})
        start = {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in head.items()],
        }
        await send(start)
        await send({"type": "http.response.body", "body": content})


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _encoded(response: InferResponse) -> tuple[bytes, Headers]:
    """Return a V2 response as JSON, or JSON and raw tensors behind it where the client asked for them."""
    content, json_length = response.to_rest()
    if json_length is None:
        return orjson.dumps(content), {}
    return content, {"content-type": BINARY, JSON_LENGTH: str(json_length)}


def _error(text: str) -> bytes:
    return orjson.dumps({"error": text})
