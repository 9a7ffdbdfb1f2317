"""The client that asks a predictor: V1 protocol, one kept connection. Standard library."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.shared.text import shortened

ERROR_LENGTH = 200


@dataclass(frozen=True)
class Reply:
    """One image's answer.

    Attributes:
        probabilities: by label; empty when there was an error.
        error: in words; empty when there wasn't.
        seconds: from sending to the last byte.
        status: of HTTP; 0 where nothing was answered.
        version: of the model that answered; empty where it doesn't say.
    """

    probabilities: dict[str, float] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0
    status: int = 0
    version: str = ""


def predict_url(address: str, model_name: str) -> str:
    """Return where the model at ``http://host:port`` is asked."""
    return f"{address}/v1/models/{model_name}:predict"


class Client:
    """Sends crops of faces to one model; a predictor that looks for faces in photos is told so.

    Args:
        url: as `predict_url` makes it. One without a host answers nothing.
        timeout_seconds: of one request.
        clock: gives seconds.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = 30.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host = parts.hostname or ""
        self._path = parts.path
        self._clock = clock
        self._connection = http.client.HTTPConnection(
            self.host, parts.port or 80, timeout=timeout_seconds
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def predict(self, image: bytes) -> Reply:
        """Send one encoded image; an error is in the reply.

        Raises:
            socket.gaierror: the host's name isn't known here, which says nothing about the model.
        """
        if not self.host:
            return Reply(error="it has no address")
        began = self._clock()
        try:
            status, content = self._post([image], {})
        except socket.gaierror:
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            why = f"no answer ({type(error).__name__}: {error})"
            return Reply(error=why, seconds=self._clock() - began)
        seconds = self._clock() - began
        try:
            (reply,) = _replies(status, content, seconds, 1)
        except ValueError as error:
            return Reply(error=str(error), seconds=seconds, status=status)
        return reply

    def ask(self, images: Sequence[bytes], request_id: str) -> list[Reply]:
        """Send some encoded images in one request; an error about a single one is in its reply.

        Raises:
            OSError, http.client.HTTPException: no answer.
            ValueError: the answer isn't one to these images.
        """
        began = self._clock()
        try:
            status, content = self._post(images, {"X-Request-Id": request_id})
            return _replies(status, content, self._clock() - began, len(images))
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise

    def _post(self, images: Sequence[bytes], headers: dict[str, str]) -> tuple[int, bytes]:
        instances = [{"image": {"b64": base64.b64encode(image).decode()}} for image in images]
        body = json.dumps({"instances": instances, "parameters": {"faces": False}}).encode()
        headers = {"Content-Type": "application/json", **headers}
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def _replies(status: int, content: bytes, seconds: float, count: int) -> list[Reply]:
    try:
        value = json.loads(content)
        if status != 200:
            problem = f"HTTP {status}: {shortened(value.get('error', value), ERROR_LENGTH)}"
        else:
            version = str(value.get("model_version", ""))
            replies = [_reply(each, seconds, version) for each in value["predictions"]]
            problem = "" if len(replies) == count else f"{len(replies)} answers to {count} images"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        kind = type(error).__name__
        raise ValueError(f"HTTP {status} with an answer that can't be read ({kind})") from error
    if problem:
        raise ValueError(problem)
    return replies


def _reply(prediction: dict[str, Any], seconds: float, version: str) -> Reply:
    error = prediction.get("error")
    if error:
        words = f"{error['reason']}: {error['message']}" if isinstance(error, dict) else error
        return Reply({}, shortened(words, ERROR_LENGTH), seconds, 200, version)
    known = prediction.get("probabilities") or {}
    probabilities = {str(label): float(number) for label, number in known.items()}
    return Reply(probabilities, "", seconds, 200, version)
