"""KServe's own clients understand the predictor, over REST and gRPC."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from components.serving.predictor.process import HOST, Server, free_ports
from components.shared.artifacts.contract import verified_model
from components.shared.images.decode import encode_png
from tests.artifacts import pattern
from tests.models import LABELS
from tests.serving.conftest import wait_for

TEXT = base64.b64encode(encode_png(pattern(3, np.random.default_rng(2)))).decode()

REST_CLIENT = """
import asyncio, json, sys
import numpy as np
port, text = sys.argv[1:]
sys.argv = sys.argv[:1]
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
async def main():
    url = f"http://127.0.0.1:{port}"
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {"live": await client.is_server_live(url), "ready": await client.is_server_ready(url)}
    found["model_ready"] = await client.is_model_ready(url, "faces")
    tensor = InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([text], dtype=np.object_), binary_data=False)
    answer = await client.infer(url, InferRequest("faces", [tensor]), model_name="faces")
    found["base64"] = answer.outputs[0].data  # this client forgets the model version
    pixels = InferInput("image", [1, 16, 16, 1], "UINT8")
    pixels.set_data_from_numpy(np.zeros((1, 16, 16, 1), np.uint8), binary_data=True)
    asked = InferRequest("faces", [pixels], parameters={"binary_data_output": True})
    answer = await client.infer(url, asked, model_name="faces")
    found["pixels"] = [list(answer.outputs[1].as_numpy().shape), str(answer.outputs[1].as_numpy().dtype)]
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await v1.infer(url, {"instances": [{"image": {"b64": text}}]}, model_name="faces")
    found["v1"] = [answer["predictions"][0]["label"], answer["model_version"]]
    print(json.dumps(found))
asyncio.run(main())
"""

GRPC_CLIENT = """
import asyncio, base64, json, sys
import grpc
import numpy as np
port, text = sys.argv[1:]
sys.argv = sys.argv[:1]
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb, grpc_predict_v2_pb2_grpc as services
async def main():
    client = InferenceGRPCClient(f"127.0.0.1:{port}")
    found = {"live": await client.is_server_live(), "model_ready": await client.is_model_ready("faces")}
    tensor = InferInput("image", [2], "BYTES")
    tensor.set_data_from_numpy(np.array([base64.b64decode(text), b"no image"], dtype=np.object_), binary_data=True)
    answer = await client.infer(InferRequest("faces", [tensor]))
    found["labels"] = [value.decode() for value in answer.outputs[0].as_numpy()]
    found["shape"] = answer.outputs[1].shape
    try:
        await client.infer(InferRequest("faces", [tensor], parameters={"faces": True}))
    except grpc.RpcError as error:
        found["faces"] = [error.code().name, "this server takes crops" in error.details()]
    answer = await client.infer(InferRequest("faces", [tensor], parameters={"faces": False}))
    found["crops"] = answer.outputs[1].shape
    wrong = InferInput("image", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, np.float32), binary_data=True)
    try:
        await client.infer(InferRequest("faces", [wrong]))
    except grpc.RpcError as error:
        found["wrong"] = [error.code().name, error.details()]
    await client.close()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        service = services.GRPCInferenceServiceStub(channel)
        about = await service.ModelMetadata(pb.ModelMetadataRequest(name="faces"))
        (taken,) = about.inputs
        found["metadata"] = [about.platform, taken.datatype, list(taken.shape), [output.name for output in about.outputs]]
        try:
            await service.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="faces"))
        except grpc.RpcError as error:
            found["unload"] = error.code().name
    print(json.dumps(found))
asyncio.run(main())
"""


def ask(script: str, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, str(port), TEXT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_rest(server: Server, model_folder: Path) -> None:
    done = ask(REST_CLIENT, server.port)
    assert done.returncode == 0, done.stderr[-1500:]
    label, version = LABELS[3], verified_model(model_folder).version
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "base64": [label],
        "pixels": [[1, 7], "float32"],
        "v1": [label, version],
    }


def test_grpc(model_folder: Path) -> None:
    port, grpc_port = free_ports(2)
    command = [
        sys.executable,
        "-m",
        "components.serving",
        "serve",
        "--model-dir",
        str(model_folder),
        "--model-name",
        "faces",
    ]
    command += [
        "--host",
        HOST,
        "--port",
        str(port),
        "--grpc-port",
        str(grpc_port),
        "--stop-with-input",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        assert wait_for(lambda: answers(f"http://{HOST}:{port}/v2/models/faces/ready"), 60)
        done = ask(GRPC_CLIENT, grpc_port)
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as response:
            metrics = response.read().decode()
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(30) == 0
    assert done.returncode == 0, done.stderr[-1500:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("wrong")[0] == "INVALID_ARGUMENT"
    assert found == {
        "live": True,
        "model_ready": True,
        "labels": [LABELS[3], ""],
        "shape": [2, 7],
        "faces": ["INVALID_ARGUMENT", True],
        "crops": [2, 7],
        "metadata": ["litert", "UINT8", [-1, 16, 16, 1], ["label", "probabilities", "error"]],
        "unload": "PERMISSION_DENIED",
    }
    assert 'emotion_requests_total{code="200"} 2.0' in metrics
    assert 'emotion_requests_total{code="400"} 2.0' in metrics


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
