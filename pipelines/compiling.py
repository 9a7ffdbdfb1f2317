"""Compile the pipeline to its two YAML documents: the pipeline and the Kubernetes platform spec."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from pipelines.resources import GPU_RESOURCE, claim_mounts
from pipelines.retraining import retraining

_IMAGE_LINE = re.compile(r"^(\s+(?:image: |value: |- ))(emotion-[a-z]+)$", re.MULTILINE)


def compile_pipeline(images: Mapping[str, str]) -> str:
    """The compiled pipeline with each component's symbolic image replaced.

    Args:
        images: symbolic name (``emotion-training``) to the reference that a cluster pulls.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(retraining, str(path))
        text = path.read_text()
    return _IMAGE_LINE.sub(lambda match: match[1] + images[match[2]], text)


def for_a_desk(compiled: str) -> str:
    """The same pipeline for one machine: a failed step ends the run at once, and a person resumes it; no variables of a pod."""
    documents = list(yaml.safe_load_all(compiled))
    pipeline = documents[0]
    for task in _tasks(pipeline):
        task.pop("retryPolicy", None)
    for executor in pipeline["deploymentSpec"]["executors"].values():
        executor["container"].pop("env", None)
    return yaml.safe_dump_all(documents, sort_keys=True)


def without_gpus(compiled: str) -> str:
    """The same pipeline for a cluster without GPUs: training asks for none, and runs on any node."""
    pipeline, platform = yaml.safe_load_all(compiled)
    for executor in pipeline["deploymentSpec"]["executors"].values():
        executor["container"]["resources"].pop("accelerator", None)
        for variable in executor["container"]["env"]:
            if variable["name"] == "EMOTION_RESOURCES":
                variable["value"] = json.dumps({**json.loads(variable["value"]), "gpus": 0, "gpu": ""}, sort_keys=True)
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        executor.pop("nodeSelector", None)
        executor["tolerations"] = [one for one in executor.get("tolerations", ()) if one["key"] != GPU_RESOURCE]
    return yaml.safe_dump_all([pipeline, platform], sort_keys=True)


def with_claims(compiled: str, claims: Iterable[str]) -> str:
    """The same pipeline with PersistentVolumeClaims mounted in every task; unchanged where there are none."""
    names = sorted(set(claims))
    if not names:
        return compiled
    pipeline, platform = yaml.safe_load_all(compiled)
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        executor["pvcMount"] = claim_mounts(names)
    return yaml.safe_dump_all([pipeline, platform], sort_keys=True)


def _tasks(pipeline: Any) -> Iterator[Any]:
    dags = [pipeline["root"]["dag"], *(component["dag"] for component in pipeline["components"].values() if "dag" in component)]
    for dag in dags:
        yield from dag["tasks"].values()
