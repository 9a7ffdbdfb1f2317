"""A real Google Cloud Storage server for tests.

The emulator, as a process of its own, in memory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

EMULATOR = (
    Path(__file__).resolve().parent.parent / ".venvs" / "emulator" / "bin" / "gcp-storage-emulator"
)


@contextlib.contextmanager
def emulated_bucket(name: str) -> Iterator[str]:
    """Start the emulator with one bucket; clients in this process and its children find it.

    Yields the bucket's gs:// URI.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [
        EMULATOR,
        "start",
        "--host=127.0.0.1",
        f"--port={port}",
        "--in-memory",
        f"--default-bucket={name}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, f"{address}/storage/v1/b/{name}")
        with mock.patch.dict(os.environ, {"STORAGE_EMULATOR_HOST": address}):
            yield f"gs://{name}"
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("the emulator never answered")
