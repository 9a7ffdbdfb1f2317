"""The outputs that a task's command declares, read from the executor input that kfp puts on its command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def declared_outputs(command: list[str]) -> list[Path]:
    """Where the task promises to write its parameters and artifacts."""
    outputs = _outputs(command)
    paths = [parameter["outputFile"] for parameter in outputs.get("parameters", {}).values()]
    paths += [
        item["uri"]
        for artifact in outputs.get("artifacts", {}).values()
        for item in artifact["artifacts"]
    ]
    return [Path(path) for path in paths]


def prepare_outputs(command: list[str]) -> None:
    """Make the folders that a cluster's launcher would make, and clear what an earlier attempt left."""
    for path in (*declared_outputs(command), Path(_outputs(command)["outputFile"])):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def _outputs(command: list[str]) -> Any:
    return json.loads(command[command.index("--executor-input") + 1]).get("outputs", {})
