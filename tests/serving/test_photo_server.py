"""The predictor with a face detector in front, and its page for people."""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.deployment.rollout.probes import GoldenProber, golden_of
from components.deployment.rollout.state import Revision, Rollout
from components.serving.check.check import compare
from components.serving.predictor.process import HOST, Server
from components.shared.artifacts.golden import read_golden
from components.shared.images.decode import encode_png
from components.shared.predictor_client import Client, predict_url
from components.shared.preset import RolloutPolicy
from tests.models import LABELS
from tests.serving.drawing import photo
from tests.serving.test_server import ask, base64_of, instance, v1, v2

TWO = encode_png(photo(640, 400, (20, 50, 180), (400, 150, 180)))
NONE = encode_png(photo())


def test_v1_answers_each_face_with_its_box(photos: Server) -> None:
    status, answer = v1(photos, {"instances": [instance(TWO), instance(NONE), instance(b"text")]})
    assert status == 200
    two, none, text = answer["predictions"]
    assert [face["label"] in LABELS and len(face["box"]) == 4 for face in two["faces"]] == [
        True,
        True,
    ]
    assert none == {"faces": []}
    assert text["error"]["reason"] == "not-an-image"
    assert answer["model_version"]


def test_a_photo_without_a_face_is_no_error(photos: Server) -> None:
    status, answer = v1(photos, NONE, "image/png")
    assert (status, answer["predictions"]) == (200, [{"faces": []}])
    status, answer = v1(photos, b"text", "image/png")
    assert status == 400


def test_v2_answers_a_row_per_face(photos: Server) -> None:
    images = [base64.b64encode(content).decode() for content in (NONE, TWO, b"text")]
    status, answer = v2(
        photos, {"name": "image", "shape": [3], "datatype": "BYTES", "data": images}
    )
    assert status == 200
    found = {output["name"]: output for output in answer["outputs"]}
    assert found["image"]["data"] == [1, 1, 2]
    assert found["box"]["shape"] == [3, 4]
    assert found["box"]["data"][8:] == [0, 0, 0, 0]
    assert [label in LABELS for label in found["label"]["data"]] == [True, True, False]
    assert found["error"]["data"][:2] == ["", ""]
    assert found["error"]["data"][2].startswith("not-an-image")
    metadata = ask(photos, "GET", "/v2/models/faces")[1]
    assert [output["name"] for output in metadata["outputs"]] == [
        "label",
        "probabilities",
        "error",
        "image",
        "box",
    ]


@dataclass(frozen=True)
class Alone:
    """A cluster of one pod."""

    address: str

    def addresses(self, rollout: Rollout, revision: Revision) -> tuple[str, tuple[str, ...]]:
        return self.address, (self.address,)


def test_golden_crops_are_answered_as_evaluated_although_it_looks_for_faces(
    photos: Server, model_folder: Path
) -> None:
    golden = read_golden(model_folder)
    assert v1(photos, {"instances": [instance(golden[0].image)]})[1]["predictions"] == [
        {"faces": []}
    ]
    with Client(predict_url(f"http://{HOST}:{photos.port}", "faces")) as client:
        found = compare(golden, [client.predict(image.image) for image in golden], LABELS, 1e-4)
    assert (found.images, found.failures) == (14, 0)
    tensor = {
        "name": "image",
        "shape": [14],
        "datatype": "BYTES",
        "data": [base64_of(image.image) for image in golden],
    }
    request = {
        "inputs": [tensor],
        "parameters": {"faces": False},
        "outputs": [{"name": "probabilities"}, {"name": "box"}],
    }
    status, answer = ask(photos, "POST", "/v2/models/faces/infer", request)
    assert status == 200
    probabilities, box = (output["data"] for output in answer["outputs"])
    np.testing.assert_allclose(
        np.reshape(probabilities, (14, 7)), [image.expected for image in golden], atol=1e-4
    )
    assert set(box) == {0}


def test_a_rollout_finds_the_predictor_of_photos_as_proven_as_one_of_crops(
    photos: Server, model_folder: Path
) -> None:
    golden = golden_of(model_folder)
    new = Revision("new", golden.version, {})
    rollout = Rollout(
        "faces",
        "here",
        "Standard",
        "run",
        new,
        None,
        RolloutPolicy(),
        "starting",
        0,
        since=0.0,
        started=0.0,
    )
    prober = GoldenProber(golden, Alone(f"http://{HOST}:{photos.port}"))
    smoke, probe = prober.smoke(rollout), prober.probe(rollout, 3)
    assert (smoke.requests, smoke.errors, smoke.wrong) == (14, 0, "")
    assert (probe.requests, probe.errors) == (3, 0)


def test_says_that_it_looks_for_faces_and_what_a_request_may_say_of_them(photos: Server) -> None:
    assert ask(photos, "GET", "/v2")[1]["extensions"] == ["binary_tensor_data", "faces"]
    status, answer = v1(photos, {"instances": [instance(NONE)], "parameters": {"faces": "no"}})
    assert status == 400
    assert "expected true for photos, false for crops of faces; received 'no'" in answer["error"]


def test_labels_are_counted_per_face(photos: Server) -> None:
    def counted() -> float:
        _, text = ask(photos, "GET", "/metrics")
        return sum(
            float(line.split()[-1])
            for line in text.splitlines()
            if line.startswith("emotion_labels_total{")
        )

    before = counted()
    v1(photos, TWO, "image/png")
    assert counted() - before == 2


def test_the_page_loads_its_own_files_alone(photos: Server) -> None:
    connection = http.client.HTTPConnection(HOST, photos.port, timeout=10)
    for path, kind in (
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
    ):
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200
        assert response.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert b"http://" not in content
        assert b"https://" not in content
    connection.close()


def test_without_being_asked_for_there_is_no_page(server: Server) -> None:
    assert ask(server, "GET", "/page.js")[0] == 404
    assert "<html" not in str(ask(server, "GET", "/")[1])
