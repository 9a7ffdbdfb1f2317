"""The executor output of Kubeflow Pipelines, written with the standard library.

A container component that wants metadata on its output artifacts (scalar metrics, a confusion
matrix) writes them into the file that the executor input names. `kfp.local` needs the file for
every output artifact; a cluster's launcher merges what it finds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.contracts.artifacts import write_atomically


class ExecutorOutput:
    """Collects metadata per output artifact; `write` puts the file where KFP looks for it.

    Args:
        executor_input: the JSON that KFP puts in the place of ``{{$}}``; empty at a desk, and then
            nothing is written.
    """

    def __init__(self, executor_input: str) -> None:
        outputs: dict[str, Any] = json.loads(executor_input).get("outputs", {}) if executor_input else {}
        self._path = outputs.get("outputFile", "")
        self._artifacts: dict[str, Any] = {
            name: {"artifacts": [{**item, "metadata": {}} for item in value["artifacts"]]}
            for name, value in outputs.get("artifacts", {}).items()
        }

    def metadata(self, artifact: str, **values: object) -> None:
        """Add metadata to an output artifact; on a `Metrics` artifact each number becomes a metric."""
        if artifact in self._artifacts:
            self._artifacts[artifact]["artifacts"][0]["metadata"].update(values)

    def confusion_matrix(self, artifact: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Fill a `ClassificationMetrics` artifact: rows are true labels, columns predicted."""
        rows = [{"row": [int(count) for count in row]} for row in matrix]
        specs = [{"displayName": label} for label in labels]
        self.metadata(artifact, confusionMatrix={"annotationSpecs": specs, "rows": rows})

    def write(self) -> None:
        if self._path:
            write_atomically(Path(self._path), json.dumps({"artifacts": self._artifacts}).encode())
