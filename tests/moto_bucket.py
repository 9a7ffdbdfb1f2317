"""A real S3 server for tests: moto's, as a process of its own, in memory.

One request at a time: moto looks at a condition and writes in two steps, which threads would mix.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

PYTHON = Path(__file__).resolve().parent.parent / ".venvs" / "emulator" / "bin" / "python"
PROGRAM = """
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def moto_bucket(name: str) -> Iterator[str]:
    """Start moto with one bucket; clients in this process and its children find it.

    Yields the bucket's s3:// URI.
    """
    process = subprocess.Popen(
        [PYTHON, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{int(process.stdout.readline())}"
        urllib.request.urlopen(
            urllib.request.Request(f"{address}/{name}", method="PUT"), timeout=30
        ).close()
        settings = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with mock.patch.dict(os.environ, settings):
            yield f"s3://{name}"
    finally:
        process.terminate()
        process.communicate(timeout=10)
