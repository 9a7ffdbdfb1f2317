"""HTTP connections: each answer in one write, and an end to those whose headers don't come."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS = 10.0
LATE = b'{"error":"the request\'s headers didn\'t come in time; to fix it: send them at once."}'
ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection:"
    b" close\r\ncontent-length: %d\r\n\r\n" % len(LATE)
) + LATE


class OneWrite:
    """A transport that holds an answer's headers until its body comes.

    uvicorn writes them apart: two system calls, and two wake-ups of who reads, on the thread that
    all requests share.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep what belongs to the answer until it is whole."""
        if (
            data.endswith(b"\r\n\r\n")
            and data.startswith(b"HTTP/1.1 ")
            and not data.startswith(b"HTTP/1.1 1")
        ):
            self._head += data
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def flush(self) -> None:
        """Write what is kept, at once."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write what is kept, then close."""
        self.flush()
        self._transport.close()


class Connection(HttpToolsProtocol):  # type: ignore[misc]
    """uvicorn's own, with a time limit on headers, from the connection's start or a later request's first byte."""

    _waiting: asyncio.TimerHandle | None = None
    _begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """See `HttpToolsProtocol.connection_made`."""
        super().connection_made(OneWrite(transport))
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `HttpToolsProtocol.connection_lost`."""
        self._done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `HttpToolsProtocol.data_received`."""
        super().data_received(data)
        if (
            self._begun and self._waiting is None
        ):  # most headers come in one piece, and need no timer
            self._wait()

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol.on_message_begin`."""
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        """See `HttpToolsProtocol.on_headers_complete`."""
        self._begun = False
        self._done()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol.on_response_complete`."""
        self.transport.flush()  # an answer without a body
        super().on_response_complete()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(SECONDS, self._late)

    def _done(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _late(self, *_: Any) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.write(ANSWER)
            self.transport.close()
