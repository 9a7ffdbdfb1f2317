"""Noise of third-party imports, and a store of each kind."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from tests.bucket_server import bucket_process
from tests.moto_bucket import moto_bucket

SERVERS = {"disk": nullcontext, "gs": bucket_process, "s3": moto_bucket}


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore::PendingDeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:Please install grpcio-status:ImportWarning")


# moto answers one request at a time and takes its time for each.
@pytest.fixture(scope="module", params=["disk", "gs", pytest.param("s3", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with SERVERS[request.param]("emotions") as uri:
        yield uri if "://" in uri else ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the clients leave their sockets to the collector
            gc.collect()


@pytest.fixture
def place(server: str, tmp_path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Gives the URI of an empty store of this kind, by name."""
    return lambda name="store": (
        f"{server}/{request.node.originalname}/{name}"
        if server
        else str(tmp_path / "stores" / name)
    )
