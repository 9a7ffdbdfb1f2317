"""The prober against a real HTTP server that speaks the predictor's protocol."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from components.deployment.rollout.cluster import ClusterUnreachable
from components.deployment.rollout.health import Sample
from components.deployment.rollout.probes import GoldenProber, golden_of, reachable, scrape
from components.shared.artifacts import contract
from components.shared.artifacts.contract import ModelManifest, read_marker
from components.shared.errors import ContractError
from tests.deployment.builders import PRESET, write_model
from tests.deployment.rollout.over_http import Answering, serving
from tests.deployment.rollout.support import World

LABELS = PRESET.data.labels
EXPECTED = [1.0] + [0.0] * (len(LABELS) - 1)


@contextmanager
def predictor(version, *, change=0.0, status=200, body=None, users=0):
    """Answers `EXPECTED` plus ``change``.

    Counts its answers, ``users`` more at each look at the counters.
    """
    counted = {"n": 0, "looks": 0}

    class Handler(Answering):
        def do_POST(self):
            sent = json.loads(self.body())
            assert base64.b64decode(sent["instances"][0]["image"]["b64"]) == b"image"
            counted["n"] += 1
            values = dict(zip(LABELS, [EXPECTED[0] + change, *EXPECTED[1:]], strict=True))
            answer = (
                json.dumps({"predictions": [{"probabilities": values}], "model_version": version})
                if body is None
                else body
            )
            self.answer(status, answer.encode())

        def do_GET(self):
            counted["looks"] += 1
            counted["n"] += users
            text = (
                f'# TYPE x counter\nemotion_requests_total{{code="{status}",protocol="v1"}}'
                f' {counted["n"]}.0\nother{{code="500"}} 9\n'
            )
            self.answer(200, text.encode(), "text/plain")

    with serving(Handler) as url:
        yield url


class Addresses:
    def __init__(self, new, previous="", pods=()):
        self.new, self.previous, self.pods = new, previous, pods

    def addresses(self, rollout, revision):
        return (self.new, self.pods) if revision is rollout.new else (self.previous, ())


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "model", b"weights")
    folder = tmp_path / "model"
    contract.write_atomically(folder / "golden" / "a.png", b"image")
    contract.write_atomically(
        folder / "golden" / "expected.json", json.dumps({"a.png": EXPECTED}).encode()
    )
    old = read_marker(folder, "model", ModelManifest)
    manifest = replace(old, files=contract.checksums(folder, without="model.json"))
    contract.finish(folder, "model", manifest)
    return folder


@pytest.fixture
def rollout(model):
    return World().wanted(golden_of(model).version)


def smoke(model, rollout, **behaviour):
    golden = golden_of(model)
    with predictor(behaviour.pop("version", golden.version), **behaviour) as address:
        return GoldenProber(golden, Addresses(address)).smoke(rollout)


def test_a_good_answer(model, rollout):
    sample = smoke(model, rollout, change=0.5e-4)
    assert (sample.requests, sample.errors, sample.wrong) == (1, 0, "")
    assert sample.milliseconds[0] > 0


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"change": 2e-4}, "off by 0.0002"),
        ({"change": float("nan")}, "off by nan"),
        ({"version": "another"}, "answered by version another"),
        ({"status": 503, "body": '{"error": "busy"}'}, "HTTP 503: busy"),
        ({"body": "<html>"}, "can't be read"),
        (
            {"body": '{"predictions": [{"probabilities": {"x": 1}}], "model_version": "VERSION"}'},
            "labels ['x']",
        ),
        ({"body": '{"predictions": [{"error": "not-an-image"}]}'}, "not-an-image"),
    ],
)
def test_wrong_answers(model, rollout, behaviour, told):
    version = golden_of(model).version
    if "body" in behaviour:
        behaviour = {**behaviour, "body": behaviour["body"].replace("VERSION", version)}
    sample = smoke(model, rollout, **behaviour)
    assert sample.errors == 1
    assert told in sample.wrong


def test_live_requests_are_told_from_golden_ones(model, rollout):
    golden = golden_of(model)
    with predictor(golden.version, users=7) as address, predictor("old") as previous:
        prober = GoldenProber(golden, Addresses(address, previous, (address,)))
        both = replace(rollout, previous=rollout.new.__class__("old", "old", {}))
        first, second = prober.probe(both, 20), prober.probe(both, 20)
    assert (first.requests, first.live_requests) == (27, 7)
    assert (second.requests, second.live_requests) == (34, 14)
    assert (first + second).errors == 0
    assert len(second.milliseconds) == len(second.previous_milliseconds) == 20


def test_failing_live_requests_count(model, rollout):
    golden = golden_of(model)
    with predictor(golden.version, status=500, body='{"error": "broke"}', users=5) as address:
        sample = GoldenProber(golden, Addresses(address, "", (address,))).probe(rollout, 4)
    assert (sample.requests, sample.errors, sample.live_requests) == (9, 9, 5)


def test_nobody_answers(model, rollout):
    golden = golden_of(model)
    sample = GoldenProber(
        golden, Addresses("http://127.0.0.1:9", "", ("http://127.0.0.1:9",))
    ).smoke(rollout)
    assert "no answer" in sample.wrong
    assert scrape("http://127.0.0.1:9") is None
    assert GoldenProber(golden, Addresses("")).smoke(rollout).wrong.endswith("it has no address")


def test_an_unknown_name_says_nothing_about_the_version(model, rollout):
    prober = GoldenProber(golden_of(model), Addresses("http://nowhere.invalid"))
    with pytest.raises(ClusterUnreachable, match="isn't known here"):
        prober.smoke(rollout)
    assert not reachable("http://nowhere.invalid")
    assert reachable("http://127.0.0.1:80")


def test_a_model_without_golden_images_cannot_be_rolled_out(tmp_path):
    write_model(tmp_path / "model", b"weights")
    with pytest.raises(ContractError, match="no golden images"):
        golden_of(tmp_path / "model")


def test_samples_add_up():
    total = Sample(2, 1, 0, (1.0,), (), "first") + Sample(3, 0, 2, (2.0,), (3.0,), "second")
    assert total == Sample(5, 1, 2, (1.0, 2.0), (3.0,), "first")


def test_a_probe_ends_where_nothing_answers(model, rollout):
    """Each unanswered request may take its whole timeout.

    The driver looks at its deadline after the first.
    """
    golden = golden_of(model)
    with predictor(golden.version) as address:
        gone = address
    sample = GoldenProber(golden, Addresses(gone)).probe(rollout, 50)
    assert (sample.requests, sample.errors) == (1, 1)
    assert "no answer" in sample.wrong


def test_a_smoke_test_ends_with_the_first_wrong_answer(model, rollout):
    golden = replace(golden_of(model), images=golden_of(model).images * 9)
    with predictor("another") as address:
        sample = GoldenProber(golden, Addresses(address)).smoke(rollout)
    assert (sample.requests, sample.errors) == (1, 1)
