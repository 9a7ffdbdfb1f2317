"""A headless Chromium, spoken to over the Chrome DevTools Protocol."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

BROWSER = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--window-size=1280,1000",
)


class Tab:
    """One page. Collects what its console says and which addresses it asks for."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self.console: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Run a command of the protocol and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def run(self, script: str) -> Any:
        """The value of a piece of JavaScript; a promise is awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message["method"] == "Runtime.exceptionThrown":
            self.console.append(str(parameters))
        if message["method"] == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"])
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])


@contextmanager
def ended(browser: subprocess.Popen[str]) -> Iterator[None]:
    """Ends it, whatever happens."""
    try:
        yield
    finally:
        browser.terminate()


@contextmanager
def tab(profile: Path, address: str) -> Iterator[Tab]:
    """A page at an address, in a browser of its own."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    with (
        subprocess.Popen(
            [BROWSER, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        ) as browser,
        ended(browser),
    ):
        assert browser.stderr is not None
        said = next(line for line in browser.stderr if line.startswith("DevTools listening on "))
        port = re.search(r":(\d+)/", said)[1]  # type: ignore[index]
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as listed:
            page = next(each for each in json.load(listed) if each["type"] == "page")
        with connect(page["webSocketDebuggerUrl"], max_size=None) as socket:
            opened = Tab(socket)
            for domain in ("Runtime", "Log", "Network", "Page"):
                opened.call(f"{domain}.enable")
            opened.call("Page.navigate", url=address)
            yield opened
