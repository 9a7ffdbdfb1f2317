"""Compile the pipeline to its two YAML documents: the pipeline and the Kubernetes platform spec."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from pipelines.resources import Cluster
from pipelines.retraining import retraining

_IMAGE_LINE = re.compile(r"^(\s+(?:image: |value: |- ))(emotion-[a-z]+)$", re.MULTILINE)


def compile_pipeline(images: Mapping[str, str], cluster: Cluster) -> str:
    """Return the compiled pipeline with each component's symbolic image replaced.

    Args:
        images: symbolic name (``emotion-training``) to the reference that a cluster pulls.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(retraining(cluster), str(path))
        text = path.read_text()
    return _IMAGE_LINE.sub(lambda match: match[1] + images[match[2]], text)


def for_a_desk(compiled: str) -> str:
    """Return the same pipeline for one machine.

    A failed step ends the run at once, and a person resumes it; there are no variables of a pod,
    and no workflow whose id would name the run: kfp makes another one whenever a run is resumed.
    """
    documents = list(yaml.safe_load_all(compiled))
    pipeline = documents[0]
    for task in _tasks(pipeline):
        task.pop("retryPolicy", None)
        if "job_id" in task.get("inputs", {}).get("parameters", {}):
            task["inputs"]["parameters"]["job_id"] = {"runtimeValue": {"constant": ""}}
    for executor in pipeline["deploymentSpec"]["executors"].values():
        executor["container"].pop("env", None)
    return yaml.safe_dump_all(documents, sort_keys=True)


def _tasks(pipeline: Any) -> Iterator[Any]:
    dags = [
        pipeline["root"]["dag"],
        *(component["dag"] for component in pipeline["components"].values() if "dag" in component),
    ]
    for dag in dags:
        yield from dag["tasks"].values()
