"""Transfer learning from real weights, and what is refused; skipped where the files aren't there."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contracts.errors import ContractError, InputError
from components.contracts.preset import Augmentation, ImageSpec, PretrainedWeights, Stage, TrainingPolicy
from components.training.loop import fit
from components.training.models import backbone_of, build
from components.training.pretrained import load_pretrained
from components.training.trainer import Trainer
from tests.training.support import NOBODY, data

WEIGHTS = Path(os.environ.get("EMOTION_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "weights"
MOBILENET = WEIGHTS / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
EFFICIENTNET = WEIGHTS / "efficientnetv2b0_notop_food101ft_fp16_bnfolded.weights.h5"
COLOUR = ImageSpec(32, 32, 3)


def needs(file: Path) -> Path:
    if not file.is_file():
        pytest.skip(f"{file.name} isn't here")
    return file


@pytest.mark.parametrize(("name", "file"), [("mobilenetv2-035", MOBILENET), ("efficientnetv2b0", EFFICIENTNET)])
def test_real_weights_fill_the_backbone(tmp_path, name, file):
    file = needs(file)
    network = build(name, ImageSpec(32, 32, 3), 5, 0.25, 0.0)
    before = backbone_of(network).get_weights()
    assert load_pretrained(network, PretrainedWeights(str(file)), tmp_path) == hashlib.sha256(file.read_bytes()).hexdigest()
    after = backbone_of(network).get_weights()
    kernels = [(old, new) for old, new in zip(before, after, strict=True) if old.ndim == 4]
    assert all(not np.array_equal(old, new) for old, new in kernels)
    assert all(np.isfinite(new).all() for new in after)


def test_staged_unfreezing_trains_the_head_first_and_leaves_the_norms(tmp_path):
    file = needs(MOBILENET)
    rows = data(per_class=4, size=32, channels=3)
    policy = TrainingPolicy(
        "mobilenetv2-035",
        (Stage(epochs=1, learning_rate=1e-3, frozen=1.0), Stage(epochs=1, optimizer="sgd", learning_rate=1e-3, frozen=0.8)),
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
    assert all(np.array_equal(old, new) for old, new in zip(start, backbone.get_weights(), strict=True))
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
    norms = {weight.path for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization) for weight in layer.weights}
    assert not norms & set(changed)


def _changed(backbone: keras.Model, start: list[np.ndarray]) -> list[str]:
    pairs = zip(backbone.weights, start, strict=True)
    return [weight.path for weight, old in pairs if not np.array_equal(np.array(weight), old)]


def test_another_checksum_another_network_and_a_missing_file_are_refused(tmp_path):
    network = build("mobilenetv2-035", COLOUR, 7, 0.2, 0.0)
    own = tmp_path / "own.weights.h5"
    backbone_of(network).save_weights(own)
    with pytest.raises(ContractError, match="aren't those of the preset; expected 0000"):
        load_pretrained(network, PretrainedWeights(str(own), "0" * 64), tmp_path)
    with pytest.raises(ContractError, match="don't fit mobilenetv2"):
        load_pretrained(build("mobilenetv2", COLOUR, 7, 0.2, 0.0), PretrainedWeights(str(own)), tmp_path)
    with pytest.raises(InputError, match="no pretrained weights at"):
        load_pretrained(network, PretrainedWeights(str(tmp_path / "none.h5")), tmp_path)
    with pytest.raises(InputError, match="small-cnn has no backbone"):
        load_pretrained(build("small-cnn", COLOUR, 7, 0.2, 0.0), PretrainedWeights(str(own)), tmp_path)
