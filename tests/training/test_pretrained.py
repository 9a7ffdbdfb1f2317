"""Transfer learning from real weights, and what is refused.

Skipped where the files aren't there.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from components.shared.errors import ContractError, EnvironmentProblem, InputError
from components.shared.images.decode import read_input
from components.shared.preset import (
    Augmentation,
    ImageSpec,
    PretrainedWeights,
    Stage,
    TrainingPolicy,
)
from components.shared.store.interface import open_store
from components.training import backend
from components.training.data.images import Images
from components.training.fit.loop import Data, fit
from components.training.fit.trainer import Trainer
from components.training.models import backbone_of, build
from components.training.models.pretrained import load_pretrained
from tests.bucket_server import bucket_process
from tests.training.support import NOBODY, data

REAL = Path(os.environ.get("EMOTION_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
WEIGHTS, FACES = REAL / "weights", REAL / "happy-neutral" / "happy-neutral.zip"
CLASSES = ("happy", "neutral")
MOBILENET = WEIGHTS / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
EFFICIENTNET = WEIGHTS / "efficientnetv2b0_notop_food101ft_fp16_bnfolded.weights.h5"
COLOUR = ImageSpec(32, 32, 3)


def needs(file: Path) -> Path:
    if not file.is_file():
        pytest.skip(f"{file.name} isn't here")
    return file


@pytest.fixture(scope="module")
def mobilenet():
    return build("mobilenetv2-035", COLOUR, 7, 0.2, 0.0)


BOTH = [("mobilenetv2-035", MOBILENET), ("efficientnetv2b0", EFFICIENTNET)]


@pytest.mark.parametrize(("name", "file"), BOTH)
def test_real_weights_fill_the_backbone(tmp_path, name, file):
    file = needs(file)
    network = build(name, ImageSpec(32, 32, 3), 5, 0.25, 0.0)
    before = backbone_of(network).get_weights()
    assert (
        load_pretrained(network, PretrainedWeights(str(file)), tmp_path)
        == hashlib.sha256(file.read_bytes()).hexdigest()
    )
    after = backbone_of(network).get_weights()
    kernels = [(old, new) for old, new in zip(before, after, strict=True) if old.ndim == 4]
    assert all(not np.array_equal(old, new) for old, new in kernels)
    assert all(np.isfinite(new).all() for new in after)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "file", "epochs", "rate"), [(*BOTH[0], 12, 3e-3), (*BOTH[1], 4, 1e-3)]
)
def test_what_real_weights_know_helps_with_real_faces(tmp_path, name, file, epochs, rate):
    """A head on a frozen backbone learns something of happy and neutral faces (67.5 %), on one of random weights nearly nothing."""
    rows = happy_and_neutral(needs(FACES), 150, 100)
    stage = Stage(epochs=epochs, learning_rate=rate, frozen=1.0, patience=epochs)
    policy = TrainingPolicy(
        name, (stage,), batch_size=30, pretrained=PretrainedWeights(str(needs(file)))
    )

    def held_out(*, load: bool) -> float:
        backend.current().make_deterministic(3)
        network = build(name, rows.training.spec, 2, policy.dropout, policy.l2)
        if load:
            load_pretrained(network, policy.pretrained, tmp_path)
        return max(
            fit(
                Trainer(network, policy, np.zeros(2, np.float32)), rows, policy, None, NOBODY
            ).history["val_accuracy"]
        )

    assert held_out(load=True) > held_out(load=False) + 0.1


def happy_and_neutral(file, training, held_out):
    """So many faces of each of the two classes to train on, and others to score."""
    spec, parts = ImageSpec(96, 96, 3), []
    with zipfile.ZipFile(file) as archive:
        names = [
            sorted(
                name for name in archive.namelist() if f"{label}/" in name and name.endswith(".png")
            )
            for label in CLASSES
        ]
        for span in (slice(training), slice(training, training + held_out)):
            chosen = [
                (name, index) for index, of_class in enumerate(names) for name in of_class[span]
            ]
            pixels = np.stack([read_input(archive.read(name), spec) for name, _ in chosen])
            labels = np.array([index for _, index in chosen], np.int32)
            parts.append(
                Images(
                    tuple(name for name, _ in chosen),
                    pixels,
                    labels,
                    np.zeros((len(labels), 2), np.float32),
                    spec,
                )
            )
    ones = np.ones(2 * training)
    return Data(parts[0], ones.astype(np.int64), ones.astype(np.float32), parts[1])


def test_staged_unfreezing_trains_the_head_first_and_leaves_the_norms(tmp_path):
    file = needs(MOBILENET)
    rows = data(per_class=4, size=32, channels=3)
    policy = TrainingPolicy(
        "mobilenetv2-035",
        (
            Stage(epochs=1, learning_rate=1e-3, frozen=1.0),
            Stage(epochs=1, optimizer="sgd", learning_rate=1e-3, frozen=0.8),
        ),
        batch_size=14,
        augmentation=Augmentation(flip=True),
        pretrained=PretrainedWeights(str(file)),
        monitor="loss",
    )
    network = build(policy.architecture, COLOUR, 7, policy.dropout, policy.l2)
    load_pretrained(network, policy.pretrained, tmp_path)
    backbone = backbone_of(network)
    trainer = Trainer(network, policy, np.zeros(7, np.float32))
    start, head = backbone.get_weights(), network.get_layer("hidden1").get_weights()
    trainer.begin(policy.stages[0])
    fit(trainer, rows, replace(policy, stages=policy.stages[:1]), None, NOBODY)
    assert all(
        np.array_equal(old, new) for old, new in zip(start, backbone.get_weights(), strict=True)
    )
    assert not np.array_equal(head[0], network.get_layer("hidden1").get_weights()[0])

    changed: list[str] = []
    fit(
        trainer,
        rows,
        replace(policy, stages=policy.stages[1:]),
        None,
        replace(NOBODY, epoch=lambda standing: changed.extend(_changed(backbone, start))),
    )
    assert changed
    norms = {
        weight.path
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.weights
    }
    assert not norms & set(changed)


def _changed(backbone: keras.Model, start: list[np.ndarray]) -> list[str]:
    pairs = zip(backbone.weights, start, strict=True)
    return [weight.path for weight, old in pairs if not np.array_equal(np.array(weight), old)]


@pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")
def test_weights_come_from_a_bucket(tmp_path, mobilenet):
    backbone, own, scratch = (
        backbone_of(mobilenet),
        tmp_path / "own.weights.h5",
        tmp_path / "scratch",
    )
    scratch.mkdir()
    backbone.save_weights(own)
    kept = backbone.get_weights()
    backbone.set_weights([np.zeros_like(value) for value in kept])
    with bucket_process("weights") as bucket:
        open_store(bucket).write("kept/own.weights.h5", own.read_bytes())
        weights = PretrainedWeights(
            f"{bucket}/kept/own.weights.h5", hashlib.sha256(own.read_bytes()).hexdigest()
        )
        assert load_pretrained(mobilenet, weights, scratch) == weights.sha256
        assert all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(kept, backbone.get_weights(), strict=True)
        )
        with pytest.raises(InputError, match=f"no pretrained weights at {bucket}/none.h5"):
            load_pretrained(mobilenet, PretrainedWeights(f"{bucket}/none.h5"), scratch)


def test_without_a_network_imagenets_weights_are_asked_for_as_a_file(
    tmp_path, monkeypatch, mobilenet
):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr("urllib.request._opener", None)
    with pytest.raises(
        EnvironmentProblem,
        match="download the ImageNet weights of mobilenetv2-035.*set training.pretrained to a file",
    ):
        load_pretrained(mobilenet, PretrainedWeights("imagenet"), tmp_path)


def test_another_checksum_another_network_and_a_missing_file_are_refused(tmp_path, mobilenet):
    own = tmp_path / "own.weights.h5"
    backbone_of(mobilenet).save_weights(own)
    with pytest.raises(ContractError, match="aren't those of the preset; expected 0000"):
        load_pretrained(mobilenet, PretrainedWeights(str(own), "0" * 64), tmp_path)
    with pytest.raises(ContractError, match="don't fit mobilenetv2"):
        load_pretrained(
            build("mobilenetv2", COLOUR, 7, 0.2, 0.0), PretrainedWeights(str(own)), tmp_path
        )
    with pytest.raises(InputError, match="no pretrained weights at"):
        load_pretrained(mobilenet, PretrainedWeights(str(tmp_path / "none.h5")), tmp_path)
    with pytest.raises(InputError, match="small-cnn has no backbone"):
        load_pretrained(
            build("small-cnn", COLOUR, 7, 0.2, 0.0), PretrainedWeights(str(own)), tmp_path
        )
