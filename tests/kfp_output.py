"""What Kubeflow Pipelines gives a step as ``--executor-input``, and the metadata that the step leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "executor_output.json"


def executor_input(folder: Path, *artifacts: str) -> str:
    """The executor input of a step with these output artifacts."""
    outputs = {
        name: {"artifacts": [{"name": name, "uri": str(folder / name)}]} for name in artifacts
    }
    return json.dumps({"outputs": {"outputFile": str(folder / FILE), "artifacts": outputs}})


def metadata(folder: Path) -> dict[str, dict[str, Any]]:
    """What the step wrote about each of its output artifacts."""
    written = json.loads((folder / FILE).read_text())["artifacts"]
    return {name: each["artifacts"][0]["metadata"] for name, each in written.items()}
