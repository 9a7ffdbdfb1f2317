"""The real Kubernetes client over real HTTP against a server with the API's rules."""

from __future__ import annotations

import pytest
from kubernetes import client

from components.deployment.rollout import kubernetes_cluster
from components.deployment.rollout.cluster import ClusterUnreachable, Overtaken
from components.deployment.rollout.driver import drive
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster, connect
from components.shared.errors import ContractError, EnvironmentProblem
from tests.deployment.rollout.kserve import NAMESPACE
from tests.deployment.rollout.over_http import api_server
from tests.deployment.rollout.support import NEW, OLD, World


@pytest.fixture
def world():
    """A world whose cluster is reached over HTTP."""
    world = World()
    with api_server(world.kserve) as url:
        api = client.ApiClient(client.Configuration(host=url, retries=False))
        world.cluster = KubernetesCluster(api, NAMESPACE, world.name, sleep=world.clock.sleep)
        yield world
        api.rest_client.pool_manager.clear()


def test_two_rollouts_over_http(world):
    assert world.deploy(OLD).outcome == world.deploy(NEW).outcome == "serving"
    world.check({OLD, NEW})
    assert world.cluster.names() == ["faces"]


def test_lost_answers_and_timeouts_over_http(world, monkeypatch):
    monkeypatch.setattr(kubernetes_cluster, "TIMEOUT_SECONDS", (1.0, 0.2))
    world.deploy(OLD)
    world.kserve.writes.clear()
    start = world.kserve.calls
    world.kserve.faults = {
        start: "slow",
        start + 1: "answer-lost",
        start + 4: "lost",
        start + 9: "503",
        start + 12: "429",
    }
    assert world.deploy(NEW).outcome == "serving"
    world.check({OLD, NEW})


def test_an_apply_on_an_old_look_writes_nothing(world):
    world.deploy(OLD)
    seen = world.cluster.look()
    world.cluster.request("pause x")
    before = world.kserve.service["metadata"]["resourceVersion"]
    with pytest.raises(Overtaken, match="somebody changed it"):
        world.cluster.apply(seen.rollout, seen.resource_version)
    assert world.kserve.service["metadata"]["resourceVersion"] == before
    world.cluster.request("")
    assert world.cluster.look().request == ""


def test_a_change_of_state_alone_is_no_new_generation(world):
    world.deploy(OLD)
    generation = world.kserve.service["metadata"]["generation"]
    world.cluster.request("pause x")
    assert world.kserve.service["metadata"]["generation"] == generation


@pytest.mark.parametrize(
    ("status", "kind"),
    [("403", EnvironmentProblem), ("422", ContractError), ("503", ClusterUnreachable)],
)
def test_errors_are_told_apart(world, status, kind):
    world.kserve.faults = dict.fromkeys(range(20), status)
    with pytest.raises(kind, match="read inferenceservices/faces"):
        world.cluster.look()


def test_a_claim_must_stand_where_the_predictors_do(world):
    for store in ("gs://bucket/store", "/a/folder"):
        world.cluster.require_claim(store)
    assert world.kserve.calls == 0
    with pytest.raises(
        EnvironmentProblem,
        match=f"namespace {NAMESPACE} has no claim faces; received pvc://faces/store; .*serve in",
    ):
        world.cluster.require_claim("pvc://faces/store")
    world.kserve.claims["faces"] = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "metadata": {"name": "faces"},
    }
    world.cluster.require_claim("pvc://faces/store")


def test_no_cluster_configured(monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none")
    )
    with pytest.raises(EnvironmentProblem, match="no Kubernetes cluster is configured"):
        connect()


def test_nothing_to_continue(world):
    with pytest.raises(EnvironmentProblem, match="no rollout to continue"):
        drive(world.tools())
