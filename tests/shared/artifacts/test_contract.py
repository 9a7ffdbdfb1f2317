from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, ModelManifest, Sampling
from components.shared.errors import ContractError
from components.shared.preset import ImageSpec

SAMPLING = Sampling(LAYOUT_VERSION, "s", "none", 1, 1, {"happy": 1.0})


def model_at(folder: Path) -> ModelManifest:
    contract.start(folder)
    (folder / "model.tflite").write_bytes(b"weights")
    (folder / "golden").mkdir()
    (folder / "golden" / "expected.json").write_text("{}")
    manifest = ModelManifest(
        LAYOUT_VERSION,
        "m",
        "p",
        ("happy", "sad"),
        ImageSpec(48, 48, 1),
        "model.tflite",
        "small-cnn",
        10,
        1.0,
        0.5,
        "s",
        "c",
        7,
        contract.checksums(folder, without="model.json"),
    )
    contract.finish(folder, "model", manifest)
    return manifest


def test_an_artifact_without_its_marker_is_refused(tmp_path: Path) -> None:
    folder = contract.start(tmp_path / "plan")
    with pytest.raises(
        ContractError,
        match=(
            r"the sampling_plan artifact at .* is incomplete; expected its completion marker"
            r" sampling.json"
        ),
    ):
        contract.read_marker(folder, "sampling_plan", Sampling)
    contract.finish(folder, "sampling_plan", SAMPLING)
    assert contract.read_marker(folder, "sampling_plan", Sampling) == SAMPLING


def test_another_layout_is_refused(tmp_path: Path) -> None:
    folder = contract.start(tmp_path / "plan")
    contract.finish(folder, "sampling_plan", replace(SAMPLING, layout_version=99))
    with pytest.raises(
        ContractError, match="another layout; expected version 1; received version 99"
    ):
        contract.read_marker(folder, "sampling_plan", Sampling)


def test_starting_again_removes_what_a_killed_attempt_left(tmp_path: Path) -> None:
    folder = contract.start(tmp_path / "a")
    (folder / "half.parquet").write_bytes(b"")
    assert list(contract.start(folder).iterdir()) == []


def test_a_write_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    contract.write_atomically(path, b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk gone")))
    with pytest.raises(OSError, match="disk gone"):
        contract.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_a_models_version_is_its_content(tmp_path: Path) -> None:
    one, two = model_at(tmp_path / "one"), model_at(tmp_path / "two")
    assert one.version == two.version
    assert len(one.version) == 12
    assert replace(one, files={**one.files, "model.tflite": "0"}).version != one.version


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_a_model_that_is_not_what_its_manifest_says_is_never_loaded(
    tmp_path: Path, change: str
) -> None:
    manifest = model_at(tmp_path)
    assert contract.verified_model(tmp_path) == manifest
    file = {"changed": "model.tflite", "added": "extra.bin", "removed": "golden/expected.json"}[
        change
    ]
    if change == "removed":
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(b"tampered")
    with pytest.raises(ContractError, match=f"other content of {file}"):
        contract.verified_model(tmp_path)
