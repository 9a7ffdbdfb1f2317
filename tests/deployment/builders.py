"""A model artifact, a verdict and stores for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.contracts import artifacts
from components.contracts.artifacts import LAYOUT_VERSION, ModelManifest
from components.contracts.findings import Verdict
from components.contracts.preset import DataPolicy, GatePolicy, ImageSpec, Preset, Stage, TrainingPolicy
from components.runtime.disk_store import DiskStore

PRESET = Preset(
    name="small",
    model_name="small",
    summary="for tests",
    data=DataPolicy(taxonomy="basic-7", image=ImageSpec(16, 16, 1)),
    training=TrainingPolicy(architecture="small-cnn", stages=(Stage(epochs=2),)),
    gate=GatePolicy(min_accuracy=0.2, min_macro_f1=0.1, first_model="promote"),
)


def write_model(folder: Path, weights: bytes, name: str = "small") -> ModelManifest:
    artifacts.start(folder)
    artifacts.write_atomically(folder / "model.tflite", weights)
    artifacts.write_atomically(folder / "golden" / "expected.json", b"{}")
    manifest = ModelManifest(
        layout_version=LAYOUT_VERSION, model_name=name, preset="small", labels=PRESET.data.labels, image=PRESET.data.image,
        served_file="model.tflite", architecture="small-cnn", parameters=10, temperature=1.1, validation_accuracy=0.5,
        snapshot_id="s" * 64, code_version="c" * 64, seed=7, files=artifacts.checksums(folder, without="model.json"),
    )  # fmt: skip
    artifacts.finish(folder, "model", manifest)
    return manifest


def write_verdict(folder: Path, challenger: str, champion: str | None, **changes: Any) -> Verdict:
    values: dict[str, Any] = {"word": "blessed", "model_name": "small", "anchor": None, "reasons": ("all checks passed",), "checks": ()}
    verdict = Verdict(**{**values, "challenger": challenger, "champion": champion, **changes})
    artifacts.start(folder)
    artifacts.finish(folder, "verdict", verdict)
    return verdict


class Killed(BaseException):
    """The process ends here."""


class DyingStore(DiskStore):
    """Raises `Killed` before the n-th write (from 0); counts the writes."""

    def __init__(self, root: Path, dies_before: int | None = None) -> None:
        super().__init__(root)
        self.writes = 0
        self._dies_before = dies_before

    def _count(self) -> None:
        if self.writes == self._dies_before:
            raise Killed
        self.writes += 1

    def write(self, key: str, content: bytes) -> None:
        self._count()
        super().write(key, content)

    def compare_and_set(self, key: str, expected: bytes | None, content: bytes) -> None:
        self._count()
        super().compare_and_set(key, expected, content)

    def put_tree(self, folder: Path, key: str, marker: str) -> None:
        self._count()
        super().put_tree(folder, key, marker)


def tree(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` but locks, with its content."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
