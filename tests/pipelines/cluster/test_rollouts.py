"""From a person's decision to the traffic by one command, against strict servers of Kubeflow, Kubernetes, KServe and the bucket.

The command and kfp's client are the real ones; the run's step runs as in its pod, in its own
environment (`running_kfp`, `tests/deployment/rollout/cluster_process.py`).
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.deployment.registry.approval import ask
from components.deployment.registry.registry import Registry
from components.shared.artifacts import contract
from components.shared.artifacts.contract import ModelManifest, read_marker
from components.shared.errors import EmotionError
from components.shared.preset import RolloutPolicy, ServingPolicy
from components.shared.store.interface import open_store
from pipelines import presets
from pipelines.cli.kubeflow import rollout
from pipelines.cli.registry import models
from pipelines.cluster import client, rollouts
from pipelines.code_version import ROOT
from tests.bucket_server import bucket_process
from tests.deployment.builders import PRESET, signed, verdict_on, write_model
from tests.pipelines.cli.command_line import emotion
from tests.pipelines.cluster.kubernetes_server import write_kubeconfig
from tests.pipelines.cluster.running_kfp import RunningKfp, serving

QUICK = RolloutPolicy(
    soak_seconds=0.2,
    poll_seconds=0.05,
    max_error_rate=0.3,
    max_latency_ratio=50.0,
    ready_timeout_seconds=30.0,
)
SLOW = replace(QUICK, soak_seconds=60.0)
IMAGE = ("--serving-image", "registry.example/emotion-serving:1")


@dataclass
class World:
    """A bucket with the model `small`, a Kubeflow that runs, a cluster with KServe, and what the commands print."""

    kfp: RunningKfp
    registry: Registry
    store: str
    predictors: str
    folder: Path
    console: Console

    def command(self, *arguments: str) -> int:
        """Run a command with the store, the registry of images and Kubeflow named.

        Its exit code.
        """
        return int(
            emotion(
                *arguments,
                "--store",
                self.store,
                "--host",
                self.kfp.url,
                "--registry",
                "registry.example",
            )
            or 0
        )

    @property
    def printed(self) -> str:
        return str(self.console.file.getvalue())  # type: ignore[attr-defined]

    @property
    def cluster(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.predictors}/traffic") as answer:
            return dict(json.loads(answer.read()))

    def model(self, number: int) -> str:
        """Write a version with a golden image to disk; its name."""
        folder = self.folder / f"model-{number}"
        write_model(folder, b"weights %d" % number)
        contract.write_atomically(folder / "golden" / "a.png", b"image")
        expected = [1.0] + [0.0] * (len(PRESET.data.labels) - 1)
        contract.write_atomically(
            folder / "golden" / "expected.json", json.dumps({"a.png": expected}).encode()
        )
        manifest = replace(
            read_marker(folder, "model", ModelManifest),
            files=contract.checksums(folder, without="model.json"),
        )
        contract.finish(folder, "model", manifest)
        return manifest.version

    def promoted(self, number: int) -> str:
        version = self.model(number)
        self.registry.promote(
            self.folder / f"model-{number}",
            f"run-{number}",
            verdict_on(version, *self._stands()),
            signed("gate"),
        )
        return version

    def waiting(self, number: int) -> str:
        """A version that needs approval, of the run ``run-NUMBER``."""
        version = self.model(number)
        self.registry.put(self.folder / f"model-{number}", version)
        ask(
            self.registry,
            f"run-{number}",
            verdict_on(version, *self._stands(), word="needs-approval"),
            signed().at,
        )
        return version

    def _stands(self) -> list[str | None]:
        now = self.registry.pointers()
        return [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]


@pytest.fixture
def preset(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the policy of the preset `small`."""

    def use(policy: RolloutPolicy | None) -> None:
        monkeypatch.setitem(
            presets.PRESETS, "small", replace(PRESET, serving=ServingPolicy(rollout=policy))
        )

    use(QUICK)
    return use


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: Any) -> Iterator[World]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    monkeypatch.setattr(rollouts, "POLL_SECONDS", 0.1)
    console = Console(file=io.StringIO(), width=200)
    for module in (models, rollout):
        monkeypatch.setattr(module, "console", console)
    monkeypatch.setattr(rollout, "errors", console)
    command = [
        ROOT / ".venvs" / "deployment" / "bin" / "python",
        "-m",
        "tests.deployment.rollout.cluster_process",
    ]
    with (
        bucket_process("emotions") as uri,
        serving() as kfp,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as cluster,
    ):
        assert cluster.stdout is not None
        addresses = json.loads(cluster.stdout.readline())
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", addresses["api"])
        kfp.environment = {"KUBECONFIG": str(kubeconfig), "PREDICTORS": addresses["predictors"]}
        try:
            yield World(
                kfp,
                Registry(open_store(uri), "small"),
                uri,
                addresses["predictors"],
                tmp_path,
                console,
            )
        finally:
            cluster.kill()


def test_from_approval_to_all_of_the_traffic_by_one_command(world: World) -> None:
    first = world.promoted(0)
    assert world.command("rollout", "start", "--preset", "small", *IMAGE) == 0, world.printed
    assert world.cluster["traffic"] == {first: 100}
    second = world.waiting(1)
    assert world.command("models", "approve", "run-1", "--why", "looked at it", "--rollout") == 0, (
        world.printed
    )
    assert world.cluster["traffic"] == {second: 100}
    assert world.cluster["violations"] == []
    serving = world.registry.serving()
    assert serving is not None
    assert serving.version == second
    for line in (
        f"{first}: first to serve",
        f"small: {second} is champion",
        "started: rollout-start-small-",
        "smoke test",
        f"{second}: 10 % of the traffic",
        f"{second}: 50 % of the traffic",
        f"{second}: serving,",
    ):
        assert line in world.printed, world.printed
    assert "main.go" not in world.printed
    assert "level=info" not in world.printed
    run = world.kfp.runs[-1]
    assert run["service_account"] == "emotion-run"
    platform = world.kfp.specs[run["run_id"]]["platform_spec"]["platforms"]["kubernetes"]
    assert platform["pipelineConfig"]["resourceTtlOnSuccess"] == 3600
    (executor,) = platform["deploymentSpec"]["executors"].values()
    assert executor["podMetadata"]["labels"]["app.kubernetes.io/part-of"] == "emotion-retraining"


def test_a_rollback_reaches_the_traffic_by_one_command_too(world: World) -> None:
    first = world.promoted(0)
    world.command("rollout", "start", "--preset", "small", *IMAGE)
    second = world.promoted(1)
    assert world.command("rollout", "start", "--preset", "small") == 0, world.printed
    assert world.cluster["traffic"] == {second: 100}
    assert world.command("models", "rollback", "--why", "errors in the shop", "--rollout") == 0, (
        world.printed
    )
    assert world.cluster["traffic"] == {first: 100}
    assert (
        world.command("models", "promote", second, "--why", "it was the network", "--rollout") == 0
    ), world.printed
    assert world.cluster["traffic"] == {second: 100}


def test_what_is_refused_in_the_pod_ends_the_command_with_its_code(world: World) -> None:
    assert world.command("rollout", "start", "--preset", "small", *IMAGE) == 2
    assert "small has no champion" in world.printed
    assert f"`emotion models --store {world.store}` says what waits" in world.printed
    assert world.command("rollout", "abort", "small") == 2
    assert "nothing was rolled out here" in world.printed


def test_an_approval_that_cant_be_rolled_out_isnt_given(world: World) -> None:
    first = world.promoted(0)
    world.waiting(1)
    approve = ("models", "approve", "run-1", "--why", "yes", "--store", world.store, "--rollout")
    for options, refusal in (
        (("--host", world.kfp.url), "the pushed image of emotion-deployment is unknown"),
        (("--host", "http://127.0.0.1:9", "--registry", "registry.example"), "can't be reached"),
        ((), "where is Kubeflow Pipelines"),
    ):
        with pytest.raises(EmotionError, match=refusal):
            emotion(*approve, *options)
    champion = world.registry.pointers().champion
    assert champion is not None
    assert champion.version == first
    assert (
        "would run\n  python -m components.deployment rollout start --preset '(small)'"
        in world.printed
    )


# In the middle of a request its socket is left to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_ctrl_c_leaves_the_pod_at_work_and_the_same_command_follows_it(
    world: World, preset: Any
) -> None:
    first = world.promoted(0)
    world.command("rollout", "start", "--preset", "small", *IMAGE)
    preset(replace(QUICK, soak_seconds=1.0))
    second = world.promoted(1)
    before = len(world.kfp.runs)
    world.kfp.started = lambda run: threading.Timer(
        0.5, os.kill, (os.getpid(), signal.SIGINT)
    ).start()
    assert world.command("rollout", "start", "--preset", "small") == 130
    follows = (
        f"Follow it with: emotion rollout start --preset small --store {world.store} --host"
        f" {world.kfp.url}"
    )
    assert follows in world.printed
    assert (
        f"Send the traffic back with: emotion rollout abort small --store {world.store} --namespace"
        f" emotion --host {world.kfp.url}" in world.printed
    )
    assert world.command("rollout", "start", "--preset", "small") == 0, world.printed
    assert "already under way: rollout-start-small-" in world.printed
    assert len(world.kfp.runs) == before + 1
    assert world.cluster["traffic"] == {second: 100}
    assert first != second


def test_pause_from_the_desk_then_abort_from_a_pod(
    world: World, preset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.promoted(0)
    world.command("rollout", "start", "--preset", "small", *IMAGE)
    preset(SLOW)
    second = world.promoted(1)
    codes: list[int] = []
    started = threading.Thread(
        target=lambda: codes.append(world.command("rollout", "start", "--preset", "small"))
    )
    started.start()
    deadline = time.monotonic() + 60
    while world.cluster["traffic"].get(second) != 10 and time.monotonic() < deadline:
        time.sleep(0.1)
    monkeypatch.setenv("KUBECONFIG", world.kfp.environment["KUBECONFIG"])
    assert emotion("rollout", "pause", "small", "--context", "desk") == 0
    assert (
        "Go on with: emotion rollout resume small --store STORE --namespace emotion"
        in world.printed
    )
    assert (
        "send the traffic back with: emotion rollout abort small --store STORE --namespace emotion"
        in world.printed
    )
    started.join(60)
    assert codes == [3]
    assert world.cluster["traffic"] == {first: 90, second: 10}
    assert world.command("rollout", "abort", "small") == 0, world.printed
    assert world.cluster["traffic"] == {first: 100}
    assert world.cluster["violations"] == []


def test_at_a_desk_without_a_cluster_the_command_says_what_it_would_do(
    preset: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.app",
        "rollout",
        "start",
        "--preset",
        "fer2013",
        "--store",
        "gs://b/store",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert (
        "a pod of the cluster, with the image emotion-deployment and the service account"
        " emotion-run, would run\n" in done.stdout
    )
    assert (
        "python -m components.deployment rollout start --preset '(fer2013)' --store gs://b/store"
        in done.stdout
    )
    assert "where is Kubeflow Pipelines?; expected --host" in done.stderr
    with pytest.raises(
        EmotionError,
        match=r"can't reach the store store; expected --store gs://… or s3://… or pvc://…",
    ):
        emotion("rollout", "start", "--preset", "fer2013")
