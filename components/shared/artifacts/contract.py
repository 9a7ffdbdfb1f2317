"""The file tree and the columns of every artifact, and how one is written and read.

Each artifact is a folder. Its completion marker is written last, atomically; a reader refuses a
folder without it, so a killed step never leaves something that looks finished.

    examples/        images-00000-of-00001.parquet ...  EXAMPLE_COLUMNS, one row per accepted image
                     rejected.parquet                    REJECTED_COLUMNS
                     snapshot.json                       marker: Snapshot
    validation/      statistics.pb  schema.pbtxt  anomalies.pbtxt  data_docs/index.html  doubtful_labels.csv
                     validation.json                     marker: ValidateFindings
    sampling_plan/   plan.parquet                        SAMPLING_COLUMNS, training rows only
                     sampling.json                       marker: Sampling
    model/           model.tflite                        what serves: uint8 pixels to calibrated probabilities
                     saved_model/  model.keras           the same function for other runtimes
                     history.json                        TrainFindings.history
                     golden/<example_id>.<ext>           test images as received
                     golden/expected.json                {file name: [probability, ...]}
                     model.json                          marker: ModelManifest
    evaluation/      rows.parquet                        SCORED_COLUMNS: validation rows, then test rows
                     predictions-<who>.parquet           PREDICTION_COLUMNS, the same rows; who = challenger, champion, anchor
                     metrics.json                        marker: EvaluateFindings
    serving_check/   serving_check.json                  marker: ServingFindings
    verdict/         verdict.json                        marker: Verdict
    deployment/      inference_service.yaml
                     deployment.json                     marker: DeployFindings
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.shared.errors import ContractError
from components.shared.preset import ImageSpec
from components.shared.serialization import from_json, to_pretty_json

LAYOUT_VERSION = 1
# Of examples alone: a change of their columns must not make the models of earlier nights
# unreadable.
EXAMPLES_VERSION = 2

T = TypeVar("T")

# Column names and type names of images-*.parquet. `split` is where a row is used; `note` says why
# it was moved there from `published_split`. `group_id` is the content id of the picture that stands
# for its group of near duplicates. `source` names the source of a joined set; `label_distribution`
# is empty where there is none.
EXAMPLE_COLUMNS: dict[str, str] = {
    "example_id": "string",
    "content_id": "string",
    "group_id": "string",
    "image": "binary",
    "label": "string",
    "label_distribution": "list<float>",
    "split": "string",
    "published_split": "string",
    "note": "string",
    "source": "string",
    "source_uri": "string",
    "width": "int32",
    "height": "int32",
    "channels": "int32",
    "format": "string",
    "brightness": "float",
    "contrast": "float",
    "sharpness": "float",
    "entropy": "float",
    "perceptual_hash": "string",
}
FEATURE_COLUMNS = ("brightness", "contrast", "sharpness", "entropy")
REJECTED_COLUMNS: dict[str, str] = {"source_uri": "string", "reason": "string", "detail": "string"}
SAMPLING_COLUMNS: dict[str, str] = {
    "example_id": "string",
    "label": "string",
    "repeats": "int32",
    "weight": "float",
}
PREDICTION_COLUMNS: dict[str, str] = {
    "example_id": "string",
    "split": "string",
    "label": "string",
    "probabilities": "list<float>",
}
# Of the rows that models answered, in the order of the predictions: what the examples say of them,
# without the picture. `exact_twin`: its content also stands in published training; `near_twin`: its
# group does.
SCORED_COLUMNS: dict[str, str] = {
    **{name: kind for name, kind in EXAMPLE_COLUMNS.items() if name != "image"},
    "exact_twin": "bool",
    "near_twin": "bool",
}

SPLITS = ("train", "validation", "test", "left-out")

MARKERS = {
    "examples": "snapshot.json",
    "validation": "validation.json",
    "sampling_plan": "sampling.json",
    "model": "model.json",
    "evaluation": "metrics.json",
    "serving_check": "serving_check.json",
    "verdict": "verdict.json",
    "deployment": "deployment.json",
}


@dataclass(frozen=True)
class Snapshot:
    """Marker of an examples artifact.

    Attributes:
        snapshot_id: SHA-256 over example id, label and split of every row in order, the data
            policy, and the image files' layout.
        labels: in order.
        counts: rows per split and label.
        shards: names of the image files, in order.
    """

    layout_version: int
    snapshot_id: str
    source_id: str
    labels: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    read: int
    rejected: int
    shards: tuple[str, ...]


@dataclass(frozen=True)
class Sampling:
    """Marker of a sampling plan.

    Attributes:
        class_weights: weight of each label in the loss, in the mean 1 over the training rows.
        rows: training rows in the plan; draws: sum of their repeats.
    """

    layout_version: int
    snapshot_id: str
    strategy: str
    rows: int
    draws: int
    class_weights: dict[str, float]


@dataclass(frozen=True)
class ModelManifest:
    """Marker of a model artifact. Says all that serving needs to know.

    Attributes:
        labels: in the order of the outputs.
        image: what the served file takes, as uint8 ``[n, height, width, channels]``.
        served_file: name of the file that a predictor loads.
        temperature: calibration temperature, already inside the files.
        validation_accuracy: on the held-out training groups.
        files: SHA-256 of every file of the artifact but this one, by relative path.
    """

    layout_version: int
    model_name: str
    preset: str
    labels: tuple[str, ...]
    image: ImageSpec
    served_file: str
    architecture: str
    parameters: int
    temperature: float
    validation_accuracy: float
    snapshot_id: str
    code_version: str
    seed: int
    files: dict[str, str]

    @property
    def version(self) -> str:
        """Identity of the content: the first 12 hex digits of a digest over the file checksums.

        saved_model/ is left out: TensorFlow numbers the functions in it by how many its process had
        made before, so a training that was interrupted and resumed would end as another version.
        """
        reproducible = {
            name: digest
            for name, digest in self.files.items()
            if not name.startswith("saved_model/")
        }
        joined = "\n".join(f"{digest}  {name}" for name, digest in sorted(reproducible.items()))
        return hashlib.sha256(joined.encode()).hexdigest()[:12]


def start(folder: Path) -> Path:
    """Return an empty folder for an artifact.

    What an earlier, killed attempt left there is removed.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def finish(folder: Path, artifact: str, marker: object) -> None:
    """Write the completion marker: from now on the artifact can be read."""
    write_atomically(folder / MARKERS[artifact], to_pretty_json(marker).encode())


def read_marker(folder: Path, artifact: str, kind: type[T]) -> T:
    """Read an artifact's marker.

    Raises:
        ContractError: the artifact is missing or incomplete, or of another layout.
    """
    path = folder / MARKERS[artifact]
    if not path.is_file():
        raise ContractError(
            f"the {artifact} artifact at {folder} is incomplete",
            expected=f"its completion marker {path.name}",
            received="no such file" if folder.is_dir() else "no such folder",
            fix="run the step that writes it again",
        )
    marker = from_json(kind, path.read_bytes(), f"{artifact}/{path.name}")
    expected = EXAMPLES_VERSION if artifact == "examples" else LAYOUT_VERSION
    version = getattr(marker, "layout_version", expected)
    if version != expected:
        raise ContractError(
            f"the {artifact} artifact at {folder} has another layout",
            expected=f"version {expected}",
            received=f"version {version}",
        )
    return marker


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is seen whole or not at all, and survives a crash right after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Process ids repeat: pods that share a volume have the same.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksums(folder: Path, *, without: str) -> dict[str, str]:
    """SHA-256 of every file below ``folder`` but ``without``, by POSIX path relative to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: sha256_of_file(path) for name, path in named.items() if name != without}


def verified_model(folder: Path) -> ModelManifest:
    """Return the manifest of a model artifact, after comparing every file with its checksum.

    Raises:
        ContractError: a file is missing, added or changed, or the artifact is incomplete.
    """
    manifest = read_marker(folder, "model", ModelManifest)
    found = checksums(folder, without=MARKERS["model"])
    wrong = sorted(
        name
        for name in manifest.files.keys() | found.keys()
        if manifest.files.get(name) != found.get(name)
    )
    if wrong:
        raise ContractError(
            f"the model at {folder} is not what its manifest says",
            expected=f"version {manifest.version}",
            received=f"other content of {', '.join(wrong[:5])}",
            fix="fetch the version again from the registry; never serve this copy",
        )
    return manifest
