"""The V2 protocol over gRPC.

KServe's servicer on a chosen address, under the limits of the HTTP side.
"""

from __future__ import annotations

import time
from typing import Any

import grpc
from grpc_interceptor.exceptions import PermissionDenied
from kserve.errors import InvalidInput, ModelNotFound
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as services
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from components.serving import metrics
from components.serving.http.body import MAX_BYTES
from components.serving.predictor.kserve_model import Predictor
from components.shared.errors import EnvironmentProblem


class Plane(DataPlane):  # type: ignore[misc]
    """What KServe's endpoints say of the one version that serves."""

    def __init__(self, predictor: Predictor, models: ModelRepository) -> None:
        super().__init__(model_registry=models)
        self._predictor = predictor

    def metadata(self) -> dict[str, Any]:
        """See `DataPlane.metadata`."""
        return {
            **super().metadata(),
            "extensions": ["binary_tensor_data", *["faces"] * self._predictor.detects],
        }

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """See `DataPlane.model_metadata`."""
        found: dict[str, Any] = await super().model_metadata(model_name)
        return {**found, "versions": [self._predictor.classifier.version], "platform": "litert"}

    async def infer(
        self, model_name: str, request: Any, headers: dict[str, str] | None = None
    ) -> Any:
        """Return a request that came over gRPC, counted as HTTP's are."""
        began, code = time.perf_counter(), "500"
        try:
            if request.model_version not in (None, "", self._predictor.classifier.version):
                raise ModelNotFound(f"{model_name}, version {request.model_version}")
            answer = await super().infer(model_name, request, headers)
            code = "200"
        except InvalidInput:
            code = "400"
            raise
        except ModelNotFound:
            code = "404"
            raise
        finally:
            metrics.ANSWERED.labels(code).inc()
            metrics.SECONDS.labels("grpc").observe(time.perf_counter() - began)
        return answer


class ClosedRepository(ModelRepositoryExtension):  # type: ignore[misc]
    """Nobody loads or unloads models: a server has one version."""

    async def load(self, model_name: str) -> None:
        """Refuse: this server has one model."""
        raise PermissionDenied(
            "models are neither loaded nor unloaded here: this server has one version"
        )

    unload = load


async def start(plane: Plane, models: ModelRepository, address: str) -> grpc.aio.Server:
    """Listen on ``host:port``.

    Raises:
        EnvironmentProblem: the address is in use or isn't this machine's.
    """
    limits = [("grpc.max_receive_message_length", MAX_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(interceptors=(ExceptionToStatusInterceptor(),), options=limits)
    services.add_GRPCInferenceServiceServicer_to_server(
        InferenceServicer(plane, ClosedRepository(models)), server
    )
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise EnvironmentProblem(
            f"gRPC can't listen on {address}", fix="choose another --grpc-port"
        ) from error
    await server.start()
    return server
