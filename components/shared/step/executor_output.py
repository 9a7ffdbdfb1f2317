"""The executor output of Kubeflow Pipelines, written with the standard library.

A container component that wants metadata on its output artifacts (scalar metrics, a confusion
matrix) writes them into the file that the executor input names. `kfp.local` needs the file for
every output artifact; a cluster's launcher merges what it finds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.shared.artifacts.contract import write_atomically


class ExecutorOutput:
    """Collects metadata per output artifact; `write` puts the file where KFP looks for it.

    Args:
        executor_input: the JSON that KFP puts in the place of ``{{$}}``; empty at a desk, and then
            nothing is written.
    """

    def __init__(self, executor_input: str) -> None:
        outputs: dict[str, Any] = (
            json.loads(executor_input).get("outputs", {}) if executor_input else {}
        )
        self._path = outputs.get("outputFile", "")
        self._artifacts: dict[str, Any] = {
            name: {"artifacts": [{**item, "metadata": {}} for item in value["artifacts"]]}
            for name, value in outputs.get("artifacts", {}).items()
        }

    def metadata(self, artifact: str, **values: object) -> None:
        """Add metadata to an output artifact: numbers and short words, under names for people.

        On a `Metrics` artifact each value is a row of "Compare runs". A value that is None is left
        out: the launcher of Kubeflow Pipelines 2.17 fails a step whose metadata holds a null
            (backend/src/v2/metadata/converter.go), or a number that JSON lacks.
        """
        if artifact in self._artifacts:
            known = {
                name: _json_value(value) for name, value in values.items() if value is not None
            }
            self._artifacts[artifact]["artifacts"][0]["metadata"].update(known)

    def confusion_matrix(
        self, artifact: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]
    ) -> None:
        """Fill a `ClassificationMetrics` artifact: rows are true labels, columns predicted."""
        rows = [{"row": [int(count) for count in row]} for row in matrix]
        specs = [{"displayName": label} for label in labels]
        self.metadata(artifact, confusionMatrix={"annotationSpecs": specs, "rows": rows})

    def write(self) -> None:
        """Write the file that Kubeflow Pipelines reads."""
        if self._path:
            write_atomically(
                Path(self._path),
                json.dumps({"artifacts": self._artifacts}, allow_nan=False).encode(),
            )


def write_document(path: Path, content: bytes) -> None:
    """Write the one file of an HTML or Markdown artifact.

    Where a runner made a folder for it, in the folder's place.
    """
    if path.is_dir():
        path.rmdir()
    write_atomically(path, content)


def _json_value(value: object) -> object:
    """Return a float to six significant digits, as many as people compare.

    One that JSON can't hold (nan, inf) as its name.
    """
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else str(value)
