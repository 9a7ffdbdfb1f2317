"""A request's body under limits: size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BYTES = 16_000_000
# What is read and thrown away of a body that is too large, so that its sender reads the answer
# instead of a reset.
MAX_THROWN_AWAY = 64_000_000
SECONDS = 10.0


class Refused(Exception):
    """A request that can't be answered. ``status`` is HTTP's, the text says what to send."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Gone(Exception):
    """The client went away before its request was whole."""


async def read_body(
    receive: Receive,
    headers: Mapping[str, str],
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
) -> bytes:
    """Return the whole body.

    Raises:
        Refused: 413 when it is too large, 408 when it doesn't come in time.
        Gone: the client went away.
    """
    announced = headers.get("content-length", "")
    # With "expect: 100-continue" the sender waits for our word before it sends anything.
    if announced.isdigit() and int(announced) > (
        max_bytes if "expect" in headers else MAX_THROWN_AWAY
    ):
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(seconds):
            chunks, size, more = [], 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk = message.get("body", b"")
                size += len(chunk)
                more = message.get("more_body", False)
                if size <= max_bytes:
                    chunks.append(chunk)
                elif size > MAX_THROWN_AWAY:
                    raise _too_large(max_bytes)
                else:
                    chunks.clear()
    except TimeoutError as late:
        raise Refused(
            408,
            f"the body didn't come in {seconds:g} s; to fix it: send it faster, or send smaller"
            " images.",
        ) from late
    if size > max_bytes:
        raise _too_large(max_bytes)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(max_bytes: int) -> Refused:
    return Refused(
        413,
        f"the body is too large; expected at most {max_bytes:,} bytes; to fix it: send smaller or"
        " fewer images.",
    )
