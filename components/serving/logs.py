"""One JSON object per line on standard error. Nothing of an image is ever in it."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from datetime import datetime, timezone

import orjson

NAME = "emotion.serving"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "color_message",
    "taskName",
}


class JsonFormatter(logging.Formatter):
    """time, level, logger, event, what a caller added as ``extra``, and an exception's text."""

    def format(self, record: logging.LogRecord) -> str:
        """See `Formatter.format`."""
        added = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **added,
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def request(**facts: object) -> None:
    """One answered request, in a system call.

    The logging library takes as long for a line as a small model for a layer.
    """
    line = {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": NAME,
        "event": "request",
        **facts,
    }
    with suppress(OSError):  # nobody reads any more
        os.write(sys.stderr.fileno(), orjson.dumps(line) + b"\n")


def configure() -> None:
    """Send what the server and its libraries log through `JsonFormatter`.

    Of the libraries, warnings alone.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("kserve", "kserve.trace", "uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = (
            name != "uvicorn.access"
        )  # uvicorn writes a line per request where that has a way out
        library.setLevel(logging.WARNING)
    logging.getLogger("emotion").setLevel(logging.INFO)
