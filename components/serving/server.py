"""The server process: KServe's own, on a chosen address."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from components.contracts.artifacts import verified_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``serve`` takes."""
    parser.add_argument("--model-dir", required=True, type=Path, help="model artifact; verified before the server says that it is ready")
    parser.add_argument("--model-name", default="", help="name in the URL; the artifact's own by default")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on; 127.0.0.1 for this machine alone")  # noqa: S104 - a container's server
    parser.add_argument("--port", type=int, default=8080, help="HTTP port")
    parser.add_argument("--grpc", choices=("on", "off"), default="on", help="also serve gRPC (V2)")
    parser.add_argument("--grpc-port", type=int, default=8081)
    parser.add_argument(
        "--stop-with-input",
        action="store_true",
        help="stop when standard input is closed, so that the server never outlives who started it",
    )


def serve(arguments: argparse.Namespace) -> int:
    """Load the model and serve it until SIGTERM or Ctrl-C.

    Raises:
        ContractError: the artifact isn't what its manifest says; nothing was served.
    """
    if arguments.stop_with_input:
        threading.Thread(target=_stop_with_input, daemon=True).start()
    manifest = verified_model(arguments.model_dir)  # a bad model ends here, before seconds of imports
    kserve_server = _import_kserve()
    from components.serving.predictor import Predictor

    class Server(kserve_server):  # type: ignore[misc, valid-type]
        """KServe's server listens on all addresses; this one on the address it is told."""

        async def _serve(self) -> None:
            self._rest_server.config.host = arguments.host
            await super()._serve()

    predictor = Predictor(arguments.model_name or manifest.model_name, arguments.model_dir, threads=len(os.sched_getaffinity(0)))
    predictor.load()
    server = Server(
        http_port=arguments.port,
        grpc_port=arguments.grpc_port,
        enable_grpc=arguments.grpc == "on",
        enable_latency_logging=False,
        grace_period=10,
    )
    # Two lines per request say what the Prometheus histograms count anyway. KServe has configured logging by now.
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)
    server.start([predictor])
    return 0


def _import_kserve() -> type:
    """KServe reads the process's arguments as its own while it is imported; it gets none."""
    ours: Sequence[str] = sys.argv
    sys.argv = sys.argv[:1]
    try:
        from kserve import ModelServer
    finally:
        sys.argv = list(ours)
    server: type = ModelServer
    return server


def _stop_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
