"""The server process.

KServe's endpoints, the front before them, on a chosen address, until it is told to end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.shared.artifacts import signing
from components.shared.artifacts.contract import MARKERS, verified_model
from components.shared.errors import EnvironmentProblem, InputError
from components.shared.preset import PayloadPolicy, ShadowPolicy
from components.shared.serialization import from_json
from components.shared.store.interface import open_store

if TYPE_CHECKING:
    from components.serving.observers.observers import Observer

# A load balancer goes on sending for a while after a replica was told to end: it is served until
# none came for so long.
QUIET_SECONDS = 1.0
DRAIN_SECONDS = 15.0
GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 65
SWITCH_SECONDS = 0.001
M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 1 << 20

_log = logging.getLogger("emotion.serving")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``serve`` takes."""
    parser.add_argument(
        "--model-dir",
        required=True,
        type=Path,
        help="model artifact; verified before the server says that it is ready",
    )
    parser.add_argument(
        "--model-name", default="", help="name in the URL; the artifact's own by default"
    )
    parser.add_argument(
        "--host",
        default="0.0.0.0",  # noqa: S104 - a container's server
        help="address to listen on; 127.0.0.1 for this machine alone",
    )
    parser.add_argument("--port", type=int, default=8080, help="HTTP port")
    parser.add_argument("--grpc", choices=("on", "off"), default="on", help="also serve gRPC (V2)")
    parser.add_argument("--grpc-port", type=int, default=8081)
    parser.add_argument(
        "--faces",
        action="store_true",
        help=(
            'photos: find the faces and answer each; a request with "parameters": {"faces": false}'
            " holds crops"
        ),
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="a page at / that sends photos and pictures of the camera",
    )
    parser.add_argument(
        "--public-key",
        default="",
        help="Ed25519, 32 bytes in base64: serve only what its holder signed",
    )
    parser.add_argument(
        "--signature",
        default="",
        help="with --public-key: the signature of the version's manifest, in base64",
    )
    parser.add_argument(
        "--shadow",
        default="",
        help="a preset's serving.shadow as JSON: copies of some requests go to another predictor",
    )
    parser.add_argument(
        "--payload",
        default="",
        help="a preset's serving.payload as JSON: keep features of some requests, no picture",
    )
    parser.add_argument(
        "--payload-store",
        default="",
        help="with --payload: folder or URI of the store that keeps them",
    )
    parser.add_argument(
        "--stop-with-input",
        action="store_true",
        help="stop when standard input is closed, so that the server never outlives who started it",
    )


def serve(arguments: argparse.Namespace) -> int:
    """Load the model and serve it until SIGTERM or Ctrl-C.

    Raises:
        ContractError: the artifact isn't what its manifest says; nothing was served.
        EnvironmentProblem: a port is in use.
    """
    if arguments.stop_with_input:
        threading.Thread(target=_stop_with_input, daemon=True).start()
    manifest = verified_model(
        arguments.model_dir
    )  # a bad model or setting ends here, before seconds of imports
    if arguments.public_key:
        content = (arguments.model_dir / MARKERS["model"]).read_bytes()
        signing.verify(
            content, arguments.signature, arguments.public_key, f"version {manifest.version}"
        )
    observers = _observers(arguments)
    _import_kserve()
    import uvloop

    from components.serving import logs
    from components.serving.observers.observers import Observers
    from components.serving.predictor.kserve_model import Predictor

    logs.configure()
    predictor = Predictor(
        arguments.model_name or manifest.model_name,
        arguments.model_dir,
        Observers(observers),
        faces=arguments.faces,
    )
    predictor.load()
    _return_memory()
    # The event loop gets its turn back sooner from threads that decode images.
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(_run(predictor, arguments))
    return 0


def _observers(arguments: argparse.Namespace) -> list[Observer]:
    """Shadow traffic and feature logging, where they are asked for.

    Raises InputError for a payload without a store.
    """
    from components.serving.observers.payload_log import FeatureLog
    from components.serving.observers.shadow import Shadow

    found: list[Observer] = []
    if arguments.shadow:
        found.append(Shadow(from_json(ShadowPolicy, arguments.shadow, "--shadow")))
    if arguments.payload:
        if not arguments.payload_store:
            raise InputError("features need a store to be kept in", fix="give --payload-store")
        found.append(
            FeatureLog(
                open_store(arguments.payload_store),
                from_json(PayloadPolicy, arguments.payload, "--payload"),
            )
        )
    return found


async def _run(predictor: Any, arguments: argparse.Namespace) -> None:
    """Serve until a signal comes.

    Then say not ready, go on until it is quiet, finish what is under way.
    """
    import uvicorn
    from kserve.model_repository import ModelRepository
    from kserve.model_server import app
    from kserve.protocol.rest.server import RESTServer

    from components.serving.http.connections import Connection
    from components.serving.http.front import Front
    from components.serving.http.local_page import LocalPage
    from components.serving.protocol import grpc_server

    models = ModelRepository()
    models.update(predictor)
    plane = grpc_server.Plane(predictor, models)
    RESTServer(
        app, plane, grpc_server.ClosedRepository(models), arguments.port
    )._register_endpoints(app)
    front = Front(predictor, app)
    config = uvicorn.Config(
        LocalPage(front) if arguments.page else front,
        host=arguments.host,
        port=arguments.port,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    http = uvicorn.Server(config)
    http.capture_signals = contextlib.nullcontext  # the signals are ours
    listening = _listen(arguments.host, arguments.port)
    grpc = (
        await grpc_server.start(plane, models, f"{arguments.host}:{arguments.grpc_port}")
        if arguments.grpc == "on"
        else None
    )

    told, hurry = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _set, told, hurry)
    serving = asyncio.create_task(http.serve([listening]))
    _log.info(
        "serving",
        extra={
            "model": predictor.name,
            "version": predictor.classifier.version,
            "port": arguments.port,
        },
    )
    await told.wait()
    front.draining = True
    _log.info("ending", extra={"busy": front.busy})
    await _until_quiet(front, hurry)
    http.should_exit = True
    await asyncio.gather(serving, *([grpc.stop(GRACE_SECONDS)] if grpc else []))
    predictor.stop()
    _log.info("ended")


def _set(*events: asyncio.Event) -> None:
    for event in events:
        event.set()


async def _until_quiet(front: Any, hurry: asyncio.Event) -> None:
    """Until no request came for a second, at most fifteen; Ctrl-C doesn't wait."""
    began = time.monotonic()
    while time.monotonic() - began < DRAIN_SECONDS and (
        front.busy or time.monotonic() - max(front.last, began) < QUIET_SECONDS
    ):
        if hurry.is_set():
            return
        await asyncio.sleep(QUIET_SECONDS / 20)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise EnvironmentProblem(
            f"can't listen on {host}:{port} ({error.strerror})", fix="choose another --port"
        ) from error


def _import_kserve() -> None:
    """KServe reads the process's arguments as its own while it is imported; it gets none."""
    ours: Sequence[str] = sys.argv
    sys.argv = sys.argv[:1]
    try:
        import kserve.model_server  # noqa: F401
    finally:
        sys.argv = list(ours)


def _return_memory() -> None:
    """Have large blocks mapped apart (mallopt(3)), so that a large picture's memory goes back when it is done."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such function
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def _stop_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)  # who started it has gone: there is nothing to drain
