"""A page for people at the predictor's own address: drop a photo or use the camera, see the answer.

Off in a cluster.
"""

from __future__ import annotations

from pathlib import Path

from components.serving.http.body import Receive, Send
from components.serving.http.front import Application, Scope

FOLDER = Path(__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
# The page loads nothing but its own two files, and speaks to this server alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


class LocalPage:
    """Answers GET of the page's files; everything else goes on to ``application``."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._files = {
            path: ((FOLDER / name).read_bytes(), kind) for path, (name, kind) in FILES.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "GET" or scope["path"] not in self._files:
            await self._application(scope, receive, send)
            return
        content, kind = self._files[scope["path"]]
        headers = {**HEADERS, "content-type": kind, "content-length": str(len(content))}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": content})
