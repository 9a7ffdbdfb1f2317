"""What a run names is looked for with the real Kubernetes client.

What can't be seen is told as unchecked, never as missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.errors import InputError
from pipelines.cluster.checks import check_named, connect, fits
from pipelines.resources import TASKS, Resources
from tests.pipelines.cli.command_line import emotion
from tests.pipelines.cluster import kfp_server
from tests.pipelines.cluster.kubernetes_server import KubernetesServer, serving, write_kubeconfig

SMALL: Resources = replace(TASKS["gate"], cpu="1", memory="1G", gpus=0, spot=False)
TRAIN: Resources = replace(TASKS["train"], cpu="4", memory="16G", gpus=1, spot=True)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesServer]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with serving() as state:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config", state.url)))
        yield state


def test_everything_is_there(server: KubernetesServer) -> None:
    server.objects |= {
        ("kubeflow", "serviceaccounts", "emotion-run"),
        ("kubeflow", "persistentvolumeclaims", "faces"),
        ("kubeflow", "secrets", "s"),
    }
    found = check_named("kubeflow", "emotion-run", ["faces"], ["s"])
    assert (found.problems, found.unchecked) == ([], [])


def test_what_is_missing_is_named_with_its_namespace(server: KubernetesServer) -> None:
    found = check_named("kubeflow", "nosuch", ["faces"], ["emotion-registry"])
    assert found.unchecked == []
    assert [problem.partition(";")[0] for problem in found.problems] == [
        "the namespace kubeflow has no service account nosuch",
        "the namespace kubeflow has no claim faces",
        "the namespace kubeflow has no secret emotion-registry",
    ]
    assert all("; to fix it: " in problem for problem in found.problems)


def test_of_a_namespace_that_isnt_there_nothing_else_is_asked(server: KubernetesServer) -> None:
    found = check_named("anna", "emotion-run", ["faces"])
    assert found.problems == ["the cluster has no namespace anna"]
    assert not any(path.startswith("/api/v1/namespaces/anna/") for path in server.requests)


def test_what_may_not_be_read_isnt_missing(server: KubernetesServer) -> None:
    server.objects |= {("kubeflow", "persistentvolumeclaims", "faces")}
    server.forbidden = {"services", "namespaces", "serviceaccounts", "nodes"}
    found = check_named("kubeflow", "nosuch", ["faces", "other"])
    assert found.unchecked == ["the service account nosuch: no right to read it"]
    assert [problem.partition(";")[0] for problem in found.problems] == [
        "the namespace kubeflow has no claim other"
    ]
    assert fits({"train": TRAIN}).unchecked == [
        "whether a node is large enough: no right to read it"
    ]


def test_another_cluster_than_kubeflows_says_nothing(server: KubernetesServer) -> None:
    server.objects.clear()
    found = check_named("kubeflow", "emotion-run")
    assert found.problems == []
    assert found.unchecked == [
        f"whether the cluster has what the run names: the kubeconfig leads to {server.url}, without"
        " Kubeflow Pipelines"
    ]


def test_without_a_kubeconfig_nothing_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for content in (None, "", "not: [yaml", "{}", "[1]", "text"):
        path = tmp_path / "config"
        if content is not None:
            path.write_text(content)
        monkeypatch.setenv("KUBECONFIG", str(path))
        assert connect() is None
        assert check_named("kubeflow", "emotion-run").unchecked == [
            "whether the cluster has what the run names: no kubeconfig leads to it"
        ]
        assert fits({"gate": SMALL}).unchecked == [
            "whether a node is large enough: no kubeconfig leads to the cluster"
        ]
    assert capfd.readouterr() == ("", "")


def test_a_cluster_that_is_gone_is_told_once(
    server: KubernetesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "gone", "http://127.0.0.1:9")))
    found = check_named("kubeflow", "emotion-run", ["a", "b"])
    assert found.problems == []
    (told,) = found.unchecked
    assert told.startswith("what the cluster has: Kubernetes can't be reached (")


def test_credentials_that_ran_out(
    server: KubernetesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "KUBECONFIG", str(write_kubeconfig(tmp_path / "old", server.url, token="expired"))
    )
    assert check_named("kubeflow", "emotion-run").unchecked == [
        "the service account emotion-run: the kubeconfig's credentials are refused"
    ]


def test_a_login_program_that_isnt_installed_is_quiet(
    server: KubernetesServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = write_kubeconfig(tmp_path / "exec", server.url).read_text()
    program = (
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-login,"
        " interactiveMode: Never}"
    )
    (tmp_path / "exec").write_text(text.replace("token: desk", program))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "exec"))
    assert check_named("kubeflow", "emotion-run").problems == []
    assert capfd.readouterr() == ("", "")


def test_a_rollout_names_what_there_is(server: KubernetesServer) -> None:
    with kfp_server.serving() as kubeflow:
        where = ("--store", "pvc://faces/store", "--registry", "r.example", "--host", kubeflow.url)
        with pytest.raises(
            InputError, match=r"no service account nosuch; to fix it: .*no claim faces; to fix it: "
        ) as refused:
            emotion(
                "rollout", "start", "--preset", "fer2013", *where, "--service-account", "nosuch"
            )
        assert refused.value.exit_code == 2
        assert {method for method, _ in kubeflow.requests} == {"GET"}


class TestNodes:
    def test_both_figures(self, server: KubernetesServer) -> None:
        server.add_node("small", "1930m", "7000Mi")
        server.add_node("large", "3920m", "13Gi")
        server.add_node("leaving", "64", "256Gi", unschedulable=True)
        found = fits({"gate": SMALL, "train": replace(TRAIN, gpus=0)})
        assert found.problems == [
            "train fits on no node: it asks for 4 CPUs, 16 GB; large offers 3.92 CPUs, 14 GB"
        ]
        assert found.unchecked == []

    def test_a_gpu_counts_in_its_pool_and_a_taint_keeps_others_away(
        self, server: KubernetesServer
    ) -> None:
        server.add_node("control-plane", "16", "64Gi", "node-role.kubernetes.io/control-plane")
        assert fits({"gate": SMALL}).problems == [
            "gate fits on no node: all 1 are kept for others (taints)"
        ]
        server.add_node("gpu", "8", "32Gi", "nvidia.com/gpu", "cloud.google.com/gke-spot", gpus=1)
        assert fits({"train": TRAIN}).problems == [
            "train fits on no node: it asks for 4 CPUs, 16 GB and 1 GPU of the pool; gpu offers 8"
            " CPUs, 34.4 GB and 0 GPUs of the pool"
        ]
        server.add_node(
            "pool", "8", "32Gi", "nvidia.com/gpu", "cloud.google.com/gke-spot", gpus=1, pool="gpu"
        )
        assert fits({"train": TRAIN}).problems == []
        assert fits({"train": replace(TRAIN, spot=False)}).problems != []
        assert fits({"gate": SMALL}).problems != []

    def test_no_nodes_say_nothing(self, server: KubernetesServer) -> None:
        assert fits({"train": TRAIN}).problems == []
