"""KServe's own clients understand the predictor, over REST and gRPC."""

from __future__ import annotations

import base64
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from components.images.decode import encode_png
from components.serving.process import HOST, Server, free_ports
from tests.artifacts import pattern
from tests.models import LABELS
from tests.serving.conftest import wait_for

TEXT = base64.b64encode(encode_png(pattern(3, np.random.default_rng(2)))).decode()

REST_CLIENT = """
import asyncio, sys
import numpy as np
port, text = sys.argv[1:]
sys.argv = sys.argv[:1]
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    tensor = InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([text], dtype=np.object_), binary_data=False)
    answer = await client.infer(f"http://127.0.0.1:{port}", InferRequest("faces", [tensor]), model_name="faces")
    pixels = InferInput("image", [1, 16, 16, 1], "UINT8")
    pixels.set_data_from_numpy(np.zeros((1, 16, 16, 1), np.uint8), binary_data=True)
    second = await client.infer(f"http://127.0.0.1:{port}", InferRequest("faces", [pixels]), model_name="faces")
    print(answer.outputs[0].data[0], second.outputs[1].shape)
asyncio.run(main())
"""

GRPC_CLIENT = """
import asyncio, base64, sys
import numpy as np
port, text = sys.argv[1:]
sys.argv = sys.argv[:1]
from kserve import InferenceGRPCClient, InferInput, InferRequest
async def main():
    client = InferenceGRPCClient(f"127.0.0.1:{port}")
    tensor = InferInput("image", [2], "BYTES")
    tensor.set_data_from_numpy(np.array([base64.b64decode(text), b"no image"], dtype=np.object_), binary_data=True)
    answer = await client.infer(InferRequest("faces", [tensor]))
    print([value.decode() for value in answer.outputs[0].as_numpy()], answer.outputs[1].shape)
    await client.close()
asyncio.run(main())
"""


def ask(script: str, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, str(port), TEXT], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_rest(server: Server) -> None:
    done = ask(REST_CLIENT, server.port)
    assert done.stdout.strip().endswith(f"{LABELS[3]} [1, 7]"), done.stderr[-1500:]


@pytest.mark.slow
def test_grpc_takes_plain_image_bytes(model_folder: Path) -> None:
    port, grpc_port = free_ports(2)
    command = [sys.executable, "-m", "components.serving", "serve", "--model-dir", str(model_folder), "--model-name", "faces"]
    command += ["--host", HOST, "--port", str(port), "--grpc-port", str(grpc_port), "--stop-with-input"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        assert wait_for(lambda: answers(f"http://{HOST}:{port}/v2/models/faces/ready"), 60)
        done = ask(GRPC_CLIENT, grpc_port)
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(30) == 0
    assert done.stdout.strip().endswith(f"['{LABELS[3]}', ''] [2, 7]"), done.stderr[-1500:]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
