"""model.h5 and emotion_classification.pkl, written on request.

A throw-away process opens both, nothing of ours does.
"""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, ModelManifest
from components.shared.errors import InputError
from components.shared.preset import ImageSpec
from components.training import models
from components.training.export import files, interchange

IMAGE = ImageSpec(64, 64, 3)
OPEN = """
import sys, joblib, keras, numpy as np
pixels = np.load(sys.argv[1])
for model in (keras.saving.load_model(sys.argv[2], compile=False), joblib.load(sys.argv[3])):
    np.save(sys.stdout.buffer, np.asarray(model(pixels, training=False)))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model artifact of emotion6-cnn with random weights, as far as these files need one."""
    folder = tmp_path_factory.mktemp("model")
    keras.utils.set_random_seed(4)
    network = files.served_network(models.build("emotion6-cnn", IMAGE, 6, 0.0, 0.0), IMAGE, 1.3)
    contract.start(folder)
    network.save(folder / files.KERAS_FILE)
    finish(folder, "emotion6-cnn")
    return folder


def finish(folder, preset):
    digests = contract.checksums(folder, without="model.json")
    labels = ("angry", "disgust", "fear", "happy", "sad", "surprise")
    manifest = ModelManifest(
        LAYOUT_VERSION,
        preset,
        preset,
        labels,
        IMAGE,
        "model.tflite",
        "emotion6-cnn",
        637_862,
        1.3,
        0.5,
        "none",
        "tests",
        7,
        digests,
    )
    contract.finish(folder, "model", manifest)


def test_a_throw_away_process_opens_both_and_they_answer_as_the_model_does(model, tmp_path):
    written = [interchange.write(model, form, tmp_path) for form in interchange.FILES]
    assert [file.name for file in written] == ["model.h5", "emotion_classification.pkl"]
    assert sorted(tmp_path.iterdir()) == sorted(written), "nothing else is left behind"
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(tmp_path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", OPEN, tmp_path / "pixels.npy", *written],
        env=environment,
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    (tmp_path / "answers").write_bytes(done.stdout)
    expected = np.asarray(
        keras.saving.load_model(model / files.KERAS_FILE, compile=False)(pixels, training=False)
    )
    with open(tmp_path / "answers", "rb") as answers:
        for _ in written:
            assert np.allclose(np.load(answers), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-4


def test_only_models_of_that_preset_have_them(model, tmp_path):
    finish(model, "fer2013-cnn")
    with pytest.raises(InputError, match="expected a model of emotion6-cnn; received fer2013-cnn"):
        interchange.write(model, "h5", tmp_path)
    assert not list(tmp_path.iterdir())
