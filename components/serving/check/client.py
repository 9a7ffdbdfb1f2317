"""A small client of the V1 protocol over one kept connection. Standard library."""

from __future__ import annotations

import base64
import http.client
import json
import time
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Reply:
    """One image's answer.

    Attributes:
        probabilities: by label; empty when there was an error.
        error: in words; empty when there wasn't. seconds: from sending to the last byte.
    """

    probabilities: dict[str, float]
    error: str
    seconds: float


class Client:
    """Sends single images to one model.

    Args:
        name: of the model. timeout_seconds: of one request.
    """

    def __init__(self, host: str, port: int, name: str, timeout_seconds: float = 30.0) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
        self._path = f"/v1/models/{name}:predict"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def predict(self, image: bytes) -> Reply:
        """Send one encoded crop of a face. An error of any kind is in the reply."""
        instance = {"image": {"b64": base64.b64encode(image).decode()}}
        body = json.dumps({"instances": [instance], "parameters": {"faces": False}}).encode()
        began = time.perf_counter()
        try:
            self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
            return _reply(response.status, content, time.perf_counter() - began)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # opened again by the next request
            return Reply({}, f"{type(error).__name__}: {error}", time.perf_counter() - began)


def _reply(status: int, content: bytes, seconds: float) -> Reply:
    try:
        value = json.loads(content)
        if status != 200:
            return Reply({}, f"HTTP {status}: {value.get('error', value)}", seconds)
        prediction = value["predictions"][0]
        if "error" in prediction:
            return Reply(
                {}, f"{prediction['error']['reason']}: {prediction['error']['message']}", seconds
            )
        return Reply(
            {str(label): float(number) for label, number in prediction["probabilities"].items()},
            "",
            seconds,
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return Reply({}, f"HTTP {status} with an answer that can't be read ({error!r})", seconds)
