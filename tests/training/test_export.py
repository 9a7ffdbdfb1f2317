"""Export: three files, one function; and golden images that any server can be held to."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.shared.artifacts.contract import checksums
from components.shared.errors import ContractError
from components.shared.images.decode import read_input
from components.training import backend, models
from components.training.backend import files as backend_files
from components.training.export import artifact, files
from components.training.export.golden import write_golden
from components.training.fit import calibration
from components.training.fit.loop import Data
from tests.artifacts import png
from tests.training.support import IMAGE, images

TEMPERATURE = 1.7


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Folder, network and its uncalibrated logits on some images."""
    backend.current().make_deterministic(11)
    network = models.build("small-cnn", IMAGE, 7, 0.3, 0.0)
    # Moving statistics as after training: at their start batch norm would be nearly the identity.
    rng = np.random.default_rng(1)
    network.set_weights(
        [
            value + rng.normal(0, 0.05, value.shape).astype(np.float32)
            for value in network.get_weights()
        ]
    )
    folder = tmp_path_factory.mktemp("model")
    files.write_files(files.served_network(network, IMAGE, TEMPERATURE), folder)
    return folder, network


def test_the_three_files_agree_on_any_batch_size(exported):
    folder, _ = exported
    pixels = images(5, 8).pixels
    assert files.proven_difference(folder, pixels) <= 1e-4
    lite = (folder / files.SERVED_FILE).read_bytes()
    whole = backend_files.run_lite(lite, pixels)
    for count in (1, 3, 35):
        assert np.allclose(backend_files.run_lite(lite, pixels[:count]), whole[:count], atol=1e-6)


def test_five_hundred_images_are_compared_golden_ones_first(exported):
    folder, _ = exported
    golden, rows = (
        images(2, 1).pixels,
        Data(images(80, 2), np.ones(560, np.int64), np.ones(560, np.float32), images(10, 3)),
    )
    compared = artifact._compared(golden, rows)
    assert compared.shape == (500, 16, 16, 1)
    assert np.array_equal(compared[:14], golden)
    assert np.array_equal(compared[14:84], rows.validation.pixels)
    assert files.proven_difference(folder, compared) <= 1e-4


def test_the_served_function_is_rescaling_network_temperature_softmax(exported):
    folder, network = exported
    pixels = images(3, 9).pixels
    logits = np.asarray(network(pixels.astype(np.float32) / 127.5 - 1, training=False))
    answers = backend_files.run_lite((folder / files.SERVED_FILE).read_bytes(), pixels)
    assert answers.dtype == np.float32
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(answers, axis=0).max() > 1e-3, (
        "the images must be told apart for this test to mean something"
    )
    assert np.allclose(answers, calibration.probabilities(logits, TEMPERATURE), atol=1e-4)
    assert not np.allclose(answers, calibration.probabilities(logits, 1.0), atol=1e-3)


def test_the_mirror_image_is_averaged_inside_every_file(exported, tmp_path):
    _, network = exported
    files.write_files(files.served_network(network, IMAGE, TEMPERATURE, flip=True), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 1)).astype(np.uint8)
    assert files.proven_difference(tmp_path, pixels) <= 1e-4
    both = [
        np.asarray(network(side.astype(np.float32) / 127.5 - 1, training=False))
        for side in (pixels, pixels[:, :, ::-1])
    ]
    assert not np.allclose(*both, atol=1e-4), (
        "the two sides must differ for this test to mean something"
    )
    answers = backend_files.run_lite((tmp_path / files.SERVED_FILE).read_bytes(), pixels)
    assert np.allclose(
        answers, calibration.probabilities((both[0] + both[1]) / 2, TEMPERATURE), atol=1e-4
    )


def test_files_that_disagree_are_refused():
    even = np.full((4, 2), 0.5, np.float32)
    off = even + np.float32(2e-4)
    with pytest.raises(
        ContractError,
        match="model.keras differs from model.tflite; expected probabilities within 0.0001",
    ):
        files.largest_difference(
            {files.SERVED_FILE: even, files.SAVED_MODEL: even, files.KERAS_FILE: off}
        )
    with pytest.raises(ContractError, match="saved_model differs"):
        files.largest_difference(
            {files.SERVED_FILE: even, files.SAVED_MODEL: even * np.nan, files.KERAS_FILE: even}
        )


def test_equal_models_are_equal_files(exported, tmp_path):
    folder, network = exported
    files.write_files(files.served_network(network, IMAGE, TEMPERATURE), tmp_path)
    ours, theirs = checksums(folder, without=""), checksums(tmp_path, without="")
    assert ours.keys() == theirs.keys()
    assert [
        name for name in ours if ours[name] != theirs[name] and not name.endswith("saved_model.pb")
    ] == []


def test_golden_images_are_as_received_and_their_answers_the_served_ones(exported, tmp_path):
    folder, _ = exported
    lite = (folder / files.SERVED_FILE).read_bytes()
    originals = {
        f"id{index}": png(image[:, :, 0]) for index, image in enumerate(images(1, 4).pixels)
    }
    write_golden(tmp_path, originals, IMAGE, lambda pixels: backend_files.run_lite(lite, pixels))
    expected = json.loads((tmp_path / "expected.json").read_text())
    assert sorted(expected) == sorted(f"{name}.png" for name in originals)
    for name, answer in expected.items():
        content = (tmp_path / name).read_bytes()
        assert content == originals[name.removesuffix(".png")]
        assert np.allclose(
            backend_files.run_lite(lite, read_input(content, IMAGE)[None]), [answer], atol=1e-6
        )
