"""One running predictor for all tests of its wire format, and a look at this machine's processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.serving.predictor import process
from components.serving.predictor.process import HOST, Server
from components.shared.preset import ServingPolicy
from tests.models import stripe_weights, write_model

WEIGHTS = stripe_weights(sharpness=0.05, noise=1.0)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "model"
    write_model(folder, WEIGHTS, golden=14)
    return folder


@pytest.fixture(scope="session")
def server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with process.running(
        "challenger", "faces", model_folder, tmp_path_factory.mktemp("logs"), ServingPolicy()
    ) as server:
        process.wait_until_ready(server)
        yield server


@pytest.fixture(scope="session")
def photos(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A predictor that looks for faces, with its page."""
    with predictor(model_folder, tmp_path_factory.mktemp("photos"), "--faces", "--page") as server:
        yield server


@contextmanager
def predictor(model: Path, scratch: Path, *arguments: str) -> Iterator[Server]:
    """A predictor process with more arguments than the serving check's have."""
    (port,) = process.free_ports(1)
    log = scratch / f"server-{port}.log"
    command = [
        sys.executable,
        "-m",
        "components.serving",
        "serve",
        "--model-dir",
        str(model),
        "--model-name",
        "faces",
    ]
    command += ["--host", HOST, "--port", str(port), "--grpc", "off", *arguments]
    with open(log, "wb") as stream:
        started = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    server = Server("tested", "faces", port, started, log, time.monotonic())
    try:
        process.wait_until_ready(server)
        yield server
    finally:
        started.terminate()
        try:
            started.wait(30)
        finally:
            started.kill()
            started.wait()


def processes_about(text: str) -> list[int]:
    """Ids of processes with ``text`` on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_bytes().decode(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether ``condition()`` came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
