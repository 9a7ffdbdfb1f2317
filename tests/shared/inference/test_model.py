"""The served model: verified, checked against its manifest, equal to its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.shared.artifacts import contract
from components.shared.errors import ContractError, InputError
from components.shared.inference.model import ServedModel
from components.shared.preset import ImageSpec
from tests.models import SMALL, softmax_of, stripe_weights, write_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", stripe_weights(noise=1.0))
    return tmp_path / "model"


def test_answers_are_those_of_the_weights_for_any_batch_size(folder: Path) -> None:
    model = ServedModel(folder)
    rng = np.random.default_rng(3)
    for count in (1, 5, 5, 2):
        pixels = rng.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8)
        answer = model.predict(pixels)
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, softmax_of(pixels, stripe_weights(noise=1.0)), atol=1e-5)


def test_no_image_gives_no_row(folder: Path) -> None:
    assert ServedModel(folder).predict(np.zeros((0, 16, 16, 1), np.uint8)).shape == (0, 7)


def test_an_answer_stays_when_the_next_is_computed(folder: Path) -> None:
    model = ServedModel(folder)
    first = model.predict(np.zeros((1, 16, 16, 1), np.uint8))
    before = first.copy()
    model.predict(np.full((1, 16, 16, 1), np.arange(16, dtype=np.uint8)[None, :, None, None] * 16))
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 16, 16, 3), np.uint8),
        np.zeros((1, 16, 16, 1), np.float32),
        np.zeros((16, 16, 1), np.uint8),
    ],
)
def test_other_pixels_are_refused(folder: Path, pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"expected uint8 \[n, 16, 16, 1\]"):
        ServedModel(folder).predict(pixels)


def test_a_changed_file_is_refused(folder: Path) -> None:
    content = bytearray((folder / "model.tflite").read_bytes())
    content[-50] ^= 1
    (folder / "model.tflite").write_bytes(bytes(content))
    with pytest.raises(ContractError, match=r"other content of model\.tflite"):
        ServedModel(folder)


def test_an_artifact_without_its_marker_is_refused(folder: Path) -> None:
    (folder / "model.json").unlink()
    with pytest.raises(ContractError, match="incomplete"):
        ServedModel(folder)


def test_a_file_that_is_no_model_is_refused(folder: Path) -> None:
    manifest = contract.verified_model(folder)
    (folder / "model.tflite").write_bytes(b"no model" * 100)
    contract.finish(
        folder, "model", replace(manifest, files=contract.checksums(folder, without="model.json"))
    )
    with pytest.raises(ContractError, match=r"can't load model\.tflite"):
        ServedModel(folder)


def test_a_manifest_about_another_file_is_refused(folder: Path) -> None:
    manifest = contract.verified_model(folder)
    contract.finish(folder, "model", replace(manifest, image=ImageSpec(24, 24, 1)))
    with pytest.raises(
        ContractError,
        match=(
            r"expected uint8 \[n, 24, 24, 1\] to float32 \[n, 7\]; received uint8 \[-1, 16, 16, 1\]"
        ),
    ):
        ServedModel(folder)
    contract.finish(folder, "model", replace(manifest, image=SMALL, labels=("a", "b")))
    with pytest.raises(ContractError, match=r"float32 \[n, 2\]"):
        ServedModel(folder)
