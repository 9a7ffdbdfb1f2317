"""Tell people how a night ended.

A message that Slack's incoming webhooks take, posted once, and never in the way of the run.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from components.reporting.outcome import Outcome
from components.shared.retry import status_reason
from components.shared.steps import TITLES

PAUSES = (1.0, 4.0, 15.0)  # seconds between attempts
TIMEOUT_SECONDS = 10
MAX_PAUSE_SECONDS = 60.0


def message(summary: dict[str, Any], outcome: Outcome) -> dict[str, str]:
    """Return the message as JSON that Slack's incoming webhooks take, and others read."""
    lines = [
        f"{outcome.word}: {outcome.headline} ({summary['preset']}, run {summary['run_id']})",
        outcome.sentence,
    ]
    if outcome.word == "failed":
        where = (
            TITLES[outcome.failed_step].lower() if outcome.failed_step else "the pipeline itself"
        )
        lines += [
            f"• Where: {where}",
            f"• Why: {outcome.error}",
            f"• What to do: {remedy(summary, outcome)}",
        ]
    else:
        lines += [f"• {reason}" for reason in outcome.reasons[:5]]
    lines.append(f"Report: {summary['report']}")
    return {"text": "\n".join(_slack(line) for line in lines)}


def remedy(summary: dict[str, Any], outcome: Outcome) -> str:
    """Return what a person does about a failed night."""
    step, run = outcome.failed_step, summary["run_id"]
    if not (summary.get("cost") or {}).get("on_cluster"):
        return "`emotion run --resume` continues it; finished steps are skipped"
    words = f"`emotion logs {run} {step}` shows what it printed; " if step else ""
    return (
        f"{words}`emotion submit` runs it again; a night that failed is tried again by the next one"
        " anyway"
    )


def fingerprint(body: dict[str, str]) -> str:
    """Tells whether this very message was sent before."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def send(
    body: dict[str, str],
    webhook_file: Path,
    pauses: Sequence[float] = PAUSES,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Post the message, again after a pause where the other side is busy. Never raises.

    Args:
        webhook_file: holds the URL. It is a secret, so no message names it.

    Returns:
        Empty when it was taken, else why not, in words.
    """
    try:
        url = webhook_file.read_text(encoding="utf-8").strip()
        _check(url)
    except (OSError, ValueError) as error:
        return (
            "the webhook's URL can't be used:"
            f" {error if isinstance(error, _Unusable) else type(error).__name__}"
        )
    problem = ""
    for pause in (*pauses, None):
        problem, wait = _post(url, json.dumps(body).encode())
        if not problem or wait is None or pause is None:
            break
        seconds = min(max(wait, pause), MAX_PAUSE_SECONDS)
        print(f"{problem}; again in {seconds:.2g} s", file=sys.stderr, flush=True)
        sleep(seconds)
    return problem


class _Unusable(ValueError):
    """What the file holds is no URL to post to."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook answers.

    Where it leads elsewhere, the message would be lost or go to a stranger.
    """

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        return None


def _check(url: str) -> None:
    parts = urlsplit(url)
    local = (
        parts.hostname in ("localhost", "127.0.0.1", "::1")
        or "." not in (parts.hostname or ".")
        or str(parts.hostname).endswith(".svc")
    )
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise _Unusable("it must begin with https://, or with http:// inside the cluster")


def _post(url: str, body: bytes) -> tuple[str, float | None]:
    """One attempt: what went wrong, and how long to wait before the next.

    None where another wouldn't help.
    """
    request = urllib.request.Request(  # noqa: S310
        url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
            return "", None
    except urllib.error.HTTPError as error:
        again = _seconds(error.headers.get("Retry-After")) if status_reason(error.code) else None
        return f"the webhook answered {error.code}", again
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        return f"the webhook can't be reached: {type(reason).__name__}", 0.0


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 0.0


def _slack(text: str) -> str:
    """Slack reads these three characters as markup (its API documentation, "Escaping text")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
