from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.deployment.manifest.inference_service import (
    Served,
    inference_service,
    predictor,
    service,
    storage_uri,
)
from components.deployment.manifest.names import (
    SERVICE_LIMIT,
    label_value,
    revision_name,
    service_name,
    workload_name,
)
from components.deployment.rollout.render import render
from components.shared.errors import InputError
from components.shared.preset import PayloadPolicy, RolloutPolicy, ServingPolicy, ShadowPolicy
from components.shared.store.interface import open_store
from tests.deployment.rollout.support import NEW, OLD, World

GOLDEN = Path(__file__).parent / "golden"
DIGEST = "registry.example/emotion-serving@sha256:" + "a" * 64
SERVED = Served(
    "synthetic-faces",
    "0123456789ab",
    "2026-11-21/night 3",
    "gs://bucket/models/synthetic-faces/versions/0123456789ab",
    DIGEST,
    "gs://bucket",
)
POLICIES = {
    "standard": ServingPolicy(),
    "standard_gpu": ServingPolicy(gpus=1, cpu="4", memory="8Gi"),
    "knative": ServingPolicy(mode="Knative"),
    "standard_faces": ServingPolicy(faces=True),
    "standard_observed": ServingPolicy(
        shadow=ShadowPolicy(
            "http://other.emotion.svc/v1/models/synthetic-faces:predict", share=0.05
        ),
        payload=PayloadPolicy(),
    ),
}


def of(served, policy):
    return yaml.safe_load(inference_service(served, policy))


@pytest.mark.parametrize("name", POLICIES)
def test_golden(name):
    """Meant to change? Write what `inference_service` gives to the golden file and read the difference."""
    assert inference_service(SERVED, POLICIES[name]) == (GOLDEN / f"{name}.yaml").read_text()


def test_golden_on_a_claim(tmp_path):
    """KServe mounts the folder of a pvc:// URI, read-only, where a version in a bucket would be copied to."""
    (tmp_path / "faces").mkdir()
    location = open_store("pvc://faces/emotion", tmp_path).location(
        "models/synthetic-faces/versions/0123456789ab"
    )
    served = replace(SERVED, storage_uri=storage_uri(location), store="pvc://faces/emotion")
    assert (
        inference_service(served, ServingPolicy()) == (GOLDEN / "standard_claim.yaml").read_text()
    )
    with pytest.raises(
        InputError,
        match=(
            "a predictor only reads a claim; expected a store in gs:// or s3://; received"
            " pvc://faces/emotion"
        ),
    ):
        inference_service(served, ServingPolicy(payload=PayloadPolicy()))


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_golden_canary(mode):
    """Halfway: 10 % of the traffic.

    The state in the annotation is left out, it holds the whole rollout.
    """
    world = World(mode, "synthetic-faces")
    world.deploy(OLD)
    seen = []
    world.prober.probe = lambda rollout, requests: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        world.deploy(NEW)
    seen = render(world.cluster.look().rollout)
    assert len(seen["metadata"]["annotations"].pop("emotion/rollout")) < 16_000
    assert (
        yaml.safe_dump(seen, sort_keys=True, width=120)
        == (GOLDEN / f"{mode.lower()}_canary.yaml").read_text()
    )


def test_policy_reaches_the_manifest():
    made = of(
        SERVED,
        ServingPolicy(
            namespace="faces",
            min_replicas=2,
            max_replicas=9,
            service_account="reader",
            cpu="2",
            memory="3Gi",
        ),
    )
    found = made["spec"]["predictor"]
    assert made["metadata"]["namespace"] == "faces"
    assert (found["minReplicas"], found["maxReplicas"], found["serviceAccountName"]) == (
        2,
        9,
        "reader",
    )
    assert found["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "3Gi"}
    assert {"name": "STORAGE_URI", "value": SERVED.storage_uri} in found["containers"][0]["env"]
    assert found["containers"][0]["image"] == DIGEST


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_nothing_in_the_pod_may_gain_rights(policy):
    found = of(SERVED, policy)["spec"]["predictor"]
    for container in found["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["runAsNonRoot"]
        assert context["runAsUser"] > 0
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert found["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("memory", "size"), [("512Mi", 512 << 20), ("1Gi", 1 << 30), ("1G", 10**9), ("300K", 300_000)]
)
@pytest.mark.parametrize(("cpu", "cpus"), [("1", 1.0), ("0.5", 0.5), ("1500m", 1.5)])
def test_a_predictors_limits_are_numbers_too(cpu, cpus, memory, size):
    policy = ServingPolicy(cpu=cpu, memory=memory)
    assert (policy.cpus, policy.memory_bytes) == (cpus, size)
    assert of(SERVED, policy)["spec"]["predictor"]["containers"][0]["resources"]["limits"] == {
        "cpu": cpu,
        "memory": memory,
    }


def test_faces_are_looked_for_where_the_preset_wants_it():
    def arguments(policy):
        return of(SERVED, policy)["spec"]["predictor"]["containers"][0]["args"]

    assert [
        each
        for each in arguments(ServingPolicy(faces=True))
        if each not in arguments(ServingPolicy())
    ] == ["--faces"]


def test_each_mode_has_its_own_way_to_split_traffic():
    standard, knative = of(SERVED, ServingPolicy()), of(SERVED, ServingPolicy(mode="Knative"))
    assert (
        standard["spec"]["predictor"]["name"]
        == standard["spec"]["predictor"]["labels"]["emotion/revision"]
    )
    assert "name" not in knative["spec"]["predictor"], (
        "it would make a Knative service of its own of each version"
    )
    assert knative["metadata"]["annotations"]["serving.kserve.io/enable-tag-routing"] == "true"


def test_a_canary_is_dark_named_and_not_scaled():
    stable, other = (
        predictor(Served("faces", version, "r", f"gs://b/{version}"), ServingPolicy())
        for version in (OLD, NEW)
    )
    canary = service("faces", ServingPolicy(), stable, (other, 0))["spec"]["canary"][0]
    assert canary["trafficPercent"] == 0
    assert not {"maxReplicas", "scaleTarget", "scaleMetric"} & set(canary["predictor"])
    with pytest.raises(InputError, match="a canary needs a name"):
        service(
            "faces",
            ServingPolicy(),
            stable,
            ({key: value for key, value in other.items() if key != "name"}, 0),
        )


def test_the_revision_follows_version_and_template():
    def name(version=OLD, **changes):
        return predictor(Served("faces", version, "r", "gs://b/x"), ServingPolicy(**changes))[
            "name"
        ]

    assert name() == name()
    assert len({name(), name(NEW), name(cpu="2"), name(gpus=1)}) == 4


@pytest.mark.parametrize("image", ["", "two words", "name@sha256:short", "-x"])
def test_an_image_that_is_none(image):
    with pytest.raises(InputError, match="this is no image"):
        Served("faces", OLD, "r", "gs://b/x", image)


@pytest.mark.parametrize("model", ["faces", "f" * 52, "2026-faces", "a-" * 25 + "a", "1" * 52])
def test_names_stay_within_limits(model):
    name = service_name(model)
    assert len(name) <= SERVICE_LIMIT
    assert name[0].isalpha()
    assert not name.endswith("-")
    assert len("isvc." + workload_name(name, revision_name("0123456789ab", "x"))) <= 63
    assert service_name("f" * 52) != service_name("f" * 51)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21/night 3", "2026-11-21-night-3"),
        ("-a" * 60, ("-a" * 60)[:63].strip("-")),
        ("é", ""),
    ],
)
def test_label_values_are_valid(text, expected):
    assert label_value(text) == expected


def test_storage_uri():
    assert storage_uri("gs://b/x") == "gs://b/x"
    assert storage_uri("/store/x") == "file:///store/x"


@pytest.mark.parametrize(
    "make",
    [
        lambda: RolloutPolicy(steps=(50, 10, 100)),
        lambda: RolloutPolicy(steps=(10, 50)),
        lambda: RolloutPolicy(steps=()),
        lambda: RolloutPolicy(max_error_rate=0.0),
        lambda: ServingPolicy(min_replicas=0),
        lambda: ServingPolicy(min_replicas=5, max_replicas=4),
        lambda: ServingPolicy(namespace="Not_A_Name"),
        lambda: ServingPolicy(memory="lots"),
    ],
)
def test_policies_check_themselves(make):
    with pytest.raises(InputError, match="out of range"):
        make()
