"""A model artifact, a verdict and stores for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.deployment.registry.promotion import Signed
from components.deployment.registry.registry import Registry
from components.shared.artifacts import contract
from components.shared.artifacts.contract import LAYOUT_VERSION, ModelManifest, verified_model
from components.shared.findings import Verdict
from components.shared.preset import (
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    Stage,
    TrainingPolicy,
)
from components.shared.records import Pointers
from components.shared.store import keys
from components.shared.store.interface import open_store

PRESET = Preset(
    name="small",
    model_name="small",
    summary="for tests",
    data=DataPolicy(taxonomy="basic-7", image=ImageSpec(16, 16, 1)),
    training=TrainingPolicy(architecture="small-cnn", stages=(Stage(epochs=2),)),
    gate=GatePolicy(min_accuracy=0.2, min_macro_f1=0.1, first_model="promote"),
)


def write_model(folder: Path, weights: bytes, name: str = "small") -> ModelManifest:
    contract.start(folder)
    contract.write_atomically(folder / "model.tflite", weights)
    contract.write_atomically(folder / "golden" / "expected.json", b"{}")
    manifest = ModelManifest(
        layout_version=LAYOUT_VERSION,
        model_name=name,
        preset="small",
        labels=PRESET.data.labels,
        image=PRESET.data.image,
        served_file="model.tflite",
        architecture="small-cnn",
        parameters=10,
        temperature=1.1,
        validation_accuracy=0.5,
        snapshot_id="s" * 64,
        code_version="c" * 64,
        seed=7,
        files=contract.checksums(folder, without="model.json"),
    )
    contract.finish(folder, "model", manifest)
    return manifest


def verdict_on(
    challenger: str, champion: str | None = None, anchor: str | None = None, **changes: Any
) -> Verdict:
    values: dict[str, Any] = {
        "word": "blessed",
        "model_name": "small",
        "reasons": ("all checks passed",),
        "checks": (),
    }
    return Verdict(
        **{**values, "challenger": challenger, "champion": champion, "anchor": anchor, **changes}
    )


def write_verdict(
    folder: Path,
    challenger: str,
    champion: str | None = None,
    anchor: str | None = None,
    **changes: Any,
) -> Verdict:
    verdict = verdict_on(challenger, champion, anchor, **changes)
    contract.start(folder)
    contract.finish(folder, "verdict", verdict)
    return verdict


def signed(
    by: str = "ada", why: str = "looked at it", at: str = "2026-11-21T00:00:00.000+00:00"
) -> Signed:
    return Signed(by, why, at)


class Killed(BaseException):
    """The process ends here."""


def dying_store(uri: str, dies_before: int | None = None) -> Any:
    """The store at a URI, which raises `Killed` before its n-th write (from 0) and counts them as ``writes``."""

    class DyingStore(type(open_store(uri))):  # type: ignore[misc]
        writes = 0

        def _count(self) -> None:
            if self.writes == dies_before:
                raise Killed
            self.writes += 1

        def write(self, *arguments: Any) -> None:
            self._count()
            super().write(*arguments)

        def compare_and_set(self, *arguments: Any) -> None:
            self._count()
            super().compare_and_set(*arguments)

        def delete(self, *arguments: Any) -> None:
            self._count()
            super().delete(*arguments)

        def put_tree(self, *arguments: Any) -> None:
            self._count()
            super().put_tree(*arguments)

        def delete_tree(self, *arguments: Any) -> None:
            self._count()
            super().delete_tree(*arguments)

    return DyingStore(uri if "://" in uri else Path(uri))


def tree(uri: str | Path) -> dict[str, bytes]:
    """Every value of a store with its content."""
    store = open_store(str(uri))
    return {key: store.read(key) or b"" for key in store.list("")}


def check_opens(uri: str, cache: Path) -> Pointers:
    """Whatever happened.

    Pointers can be read, what they name is whole, and no decision is missing.
    """
    registry = Registry(open_store(uri), "small")
    pointers = registry.pointers()
    for pointer in (pointers.champion, pointers.previous, pointers.anchor):
        if pointer is not None:
            folder = registry.store.get_tree(
                keys.version("small", pointer.version), "model.json", cache
            )
            assert verified_model(folder).version == pointer.version
    numbers = [decision.number for decision in registry.decisions()]
    assert numbers == list(range(1, len(numbers) + 1))
    return pointers
