"""On the cluster that KUBECONFIG names, as infra/local/up.sh makes one.

Every image as a pod, and a small night.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import kfp
import pytest

from components.shared.serialization import to_json
from components.shared.store import keys
from pipelines.code_version import COMPONENTS, code_version, image_references
from pipelines.compiler import compile_pipeline
from pipelines.resources import SERVICE_ACCOUNT, Cluster
from tests.e2e.nights import TINY, Desk

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(5400)]

REGISTRY = os.environ.get("REGISTRY", "localhost")
BUCKET = "mlpipeline"
USER = 65532
POD_SECONDS = 300
RUN_SECONDS = 3600


def kubectl(*arguments: str, given: str = "") -> str:
    return subprocess.run(
        ["kubectl", *arguments],
        input=given or None,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    ).stdout


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> None:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster; infra/local/up.sh makes one")
    try:
        kubectl(
            "--request-timeout=10s", "-n", "emotion", "get", "serviceaccount", "emotion-predictor"
        )
    except FileNotFoundError:
        pytest.skip("kubectl is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(
            "the cluster doesn't answer, or holds nothing of ours:"
            f" {error.stderr.strip().splitlines()[-1]}"
        )


def pod(name: str, component: str) -> dict[str, Any]:
    """A pod as strict as the serving namespace demands, that asks a component what it can do."""
    container = {
        "name": "component",
        "image": image_references(REGISTRY)[f"emotion-{component}"],
        "command": ["python", "-m", f"components.{component}", "--help"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "emotion"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_runs_as_a_pod(component: str) -> None:
    name = f"test-{component}-{uuid.uuid4().hex[:6]}"
    kubectl("create", "-f", "-", given=json.dumps(pod(name, component)))
    try:
        kubectl(
            "-n",
            "emotion",
            "wait",
            f"pod/{name}",
            "--for=jsonpath={.status.phase}=Succeeded",
            f"--timeout={POD_SECONDS}s",
        )
        assert f"python -m components.{component}" in kubectl("-n", "emotion", "logs", name)
    finally:
        kubectl("-n", "emotion", "delete", "pod", name, "--wait=false")


@contextlib.contextmanager
def forwarded(service: str, port: int) -> Iterator[str]:
    """An address on this machine that leads to a service of Kubeflow Pipelines."""
    command = ["kubectl", "-n", "kubeflow", "port-forward", f"service/{service}", f":{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, line
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()


def bucket(address: str) -> Any:
    secret = json.loads(
        kubectl("-n", "kubeflow", "get", "secret", "mlpipeline-minio-artifact", "-o", "json")
    )["data"]
    user, password = (base64.b64decode(secret[key]).decode() for key in ("accesskey", "secretkey"))
    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=user,
        aws_secret_access_key=password,
        region_name="us-east-1",
    )


def test_a_small_night_is_judged(tmp_path: Path) -> None:
    place = f"emotion-test-{uuid.uuid4().hex[:8]}"
    faces = shutil.make_archive(str(tmp_path / "faces"), "zip", Desk(tmp_path).draw(0))
    package = tmp_path / "pipeline.yaml"
    package.write_text(compile_pipeline(image_references(REGISTRY), Cluster()))
    arguments = {
        "preset": to_json(TINY),
        "source": f"s3://{BUCKET}/{place}/faces.zip",
        "store": f"s3://{BUCKET}/{place}/store",
        "run_id": "night",
        "code_version": code_version(),
        "force": False,
    }
    with forwarded("seaweedfs", 8333) as storage, forwarded("ml-pipeline", 8888) as api:
        store = bucket(storage)
        store.upload_file(faces, BUCKET, f"{place}/faces.zip")
        client = kfp.Client(host=api)
        run = client.create_run_from_pipeline_package(
            str(package),
            arguments,
            run_name=place,
            experiment_name="emotion-test",
            service_account=SERVICE_ACCOUNT,
        )
        ended = client.wait_for_run_completion(run.run_id, timeout=RUN_SECONDS, sleep_duration=10)
        assert ended.state == "SUCCEEDED"
        summary = json.loads(
            store.get_object(Bucket=BUCKET, Key=f"{place}/store/{keys.run('night')}/summary.json")[
                "Body"
            ].read()
        )
    assert summary["outcome"] == "blessed"
