"""The deploy step itself, with a store in a bucket and a cluster's API over a socket.

Registry and traffic agree at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from kubernetes import client

from components.deployment.__main__ import STEPS, deploy
from components.deployment.registry.registry import Registry
from components.deployment.rollout.driver import Tools
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster
from components.deployment.rollout.step import recorder
from components.shared.artifacts.contract import read_marker
from components.shared.findings import DeployFindings
from components.shared.serialization import to_json
from components.shared.step.frame import Step, main
from components.shared.store.interface import open_store
from tests.bucket_server import bucket_process
from tests.deployment.builders import PRESET, write_model, write_verdict
from tests.deployment.rollout.kserve import NAMESPACE, Behaviour
from tests.deployment.rollout.over_http import api_server
from tests.deployment.rollout.support import Answers, Killed, World
from tests.kfp_output import executor_input, metadata


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with bucket_process("emotions") as uri:
        yield uri


@pytest.fixture
def api() -> Iterator[tuple[World, client.ApiClient]]:
    """A world whose cluster is reached with the real client over HTTP."""
    world = World(name="small")
    with api_server(world.kserve) as url:
        reached = client.ApiClient(client.Configuration(host=url, retries=False))
        yield world, reached
        reached.close()
        reached.rest_client.pool_manager.clear()


class Site:
    """Nights on one store and one cluster."""

    def __init__(self, world: World, api: client.ApiClient, store: str, folder) -> None:
        self.world, self.api, self.store, self.folder = world, api, store, folder
        self.preset = replace(PRESET, serving=world.policy)
        self.registry = Registry(open_store(store), "small")
        world.registry = self.registry

    def tools_of(self, policy, registry, model) -> Tools:
        cluster = KubernetesCluster(
            self.api, policy.namespace, registry.name, sleep=self.world.clock.sleep
        )

        def record(rollout):
            self.world.recorded.append(rollout.serving.version if rollout.serving else None)
            recorder(registry)(rollout)

        return Tools(cluster, self.world.prober, record, self.world.clock)

    def model(self, weights: bytes) -> str:
        """A blessed model, judged against what the registry names now."""
        version = write_model(self.folder / weights.decode(), weights).version
        now = self.registry.pointers()
        stands = [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]
        write_verdict(self.folder / f"verdict-{weights.decode()}", version, *stands)
        return version

    def run(self, weights: str) -> int:
        steps = {
            "deploy": Step(
                "deploy", STEPS["deploy"].add_arguments, partial(deploy, tools_of=self.tools_of)
            )
        }
        return main(
            "deployment",
            steps,
            [
                "deploy",
                "--preset",
                to_json(self.preset),
                "--store",
                self.store,
                "--run-id",
                f"run-{weights}",
                "--model",
                str(self.folder / weights),
                "--verdict",
                str(self.folder / f"verdict-{weights}"),
                "--deployment",
                str(self.folder / f"deployment-{weights}"),
                "--serving-image",
                "r/serving:1",
                "--executor-input",
                executor_input(self.folder, "deployment"),
            ],
        )

    def findings(self, weights: str) -> DeployFindings:
        return read_marker(self.folder / f"deployment-{weights}", "deployment", DeployFindings)


@pytest.fixture
def site(api, bucket, tmp_path, request) -> Site:
    return Site(*api, f"{bucket}/{request.node.name}", tmp_path)


def test_a_good_model_serves_and_the_registry_says_so(site):
    version = site.model(b"one")
    assert site.run("one") == 0
    found = site.findings("one")
    assert (found.rollout.outcome, found.rollout.serving, found.champion.version) == (
        "serving",
        version,
        version,
    )
    told = {"version": version, "champion": version, "rollout": "serving", "traffic percent": 100}
    assert metadata(site.folder)["deployment"] == told
    site.world.check({version})
    assert site.registry.serving().run_id == "run-one"
    container = site.world.kserve.service["spec"]["predictor"]["containers"][0]
    assert {"name": "STORAGE_URI", "value": site.registry.location(version)} in container["env"]
    assert site.run("one") == 0, "again"
    site.world.check({version})


def test_a_bad_model_leaves_the_one_before(site):
    first = site.model(b"one")
    assert site.run("one") == 0
    second = site.model(b"two")
    site.world.prober.answers[second] = Answers(fails_at=10)
    for _ in range(2):  # a retry of the step ends the same
        assert site.run("two") == 0
        found = site.findings("two")
        assert (found.rollout.outcome, found.rollout.serving, found.champion.version) == (
            "rolled-back",
            first,
            first,
        )
        site.world.check({first})
    decision = site.registry.pointers().decision
    assert (decision.action, decision.by, decision.version) == ("withdraw", "rollout", second)
    assert "at 10 %" in decision.why
    third = site.model(b"three")
    assert site.run("three") == 0
    site.world.check({first, third})
    assert site.findings("three").champion.version == third


def test_a_very_first_model_that_fails_leaves_none(site):
    first = site.model(b"one")
    site.world.kserve.behaviours[first] = Behaviour(failure="CrashLoopBackOff")
    assert site.run("one") == 0
    found = site.findings("one")
    assert (found.rollout.outcome, found.rollout.serving, found.champion) == (
        "rolled-back",
        None,
        None,
    )
    assert "CrashLoopBackOff" in found.rollout.reason
    site.world.check(set())
    assert (site.registry.pointers().champion, site.registry.serving()) == (None, None)
    second = site.model(b"two")
    assert site.run("two") == 0
    site.world.check({second})


def test_killed_on_the_way_and_run_again(site):
    first = site.model(b"one")
    assert site.run("one") == 0
    second = site.model(b"two")

    def die(rollout, requests):
        raise Killed

    probe, site.world.prober.probe = site.world.prober.probe, die
    with pytest.raises(Killed):
        site.run("two")
    assert site.world.traffic() == {first: 90, second: 10}
    site.world.prober.probe = probe
    assert site.run("two") == 0
    site.world.check({first, second})
    assert site.registry.serving().version == second


def test_what_can_not_be_rolled_out_is_not_promoted(site, tmp_path, capsys):
    site.store = str(tmp_path / "store")
    site.registry = Registry(open_store(site.store), "small")
    site.model(b"one")
    assert site.run("one") == 2
    assert "a cluster can't read this store" in capsys.readouterr().err
    assert site.registry.pointers().champion is None


def test_a_store_on_a_claim_is_served_from_where_predictors_have_the_claim(
    api, tmp_path, monkeypatch, capsys
):
    (tmp_path / "claims" / "faces").mkdir(parents=True)
    monkeypatch.setattr(open_store, "__defaults__", (tmp_path / "claims", None))
    site = Site(*api, "pvc://faces/store", tmp_path)
    version = site.model(b"one")
    assert site.run("one") == 5
    assert f"namespace {NAMESPACE} has no claim faces" in capsys.readouterr().err
    assert site.registry.pointers().champion is None, "promoted before it can be served"
    site.world.kserve.claims["faces"] = {"metadata": {"name": "faces"}}
    assert site.run("one") == 0
    site.world.check({version})
    container = site.world.kserve.service["spec"]["predictor"]["containers"][0]
    assert {
        "name": "STORAGE_URI",
        "value": f"pvc://faces/store/models/small/versions/{version}",
    } in container["env"]
    assert (
        tmp_path / "claims/faces/store/models/small/versions" / version / "model.json"
    ).is_file()


def test_the_way_there_takes_no_longer_than_it_says(site):
    """The task's timeout on the cluster stands above `drive_seconds`.

    A cluster that never answers ends the step before it.
    """
    site.model(b"one")
    site.world.kserve.faults = dict.fromkeys(range(10_000), "503")
    began = site.world.clock.time
    assert site.run("one") == 5
    policy = site.world.policy.rollout
    assert site.world.clock.time - began < policy.drive_seconds + 60
