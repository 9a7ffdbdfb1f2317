"""Compile the pipeline to its two YAML documents: the pipeline and the Kubernetes platform spec."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from kfp import compiler

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


def without_retries(compiled: str) -> str:
    """The same pipeline for a desk: a failed step ends the run at once, and a person resumes it."""
    documents = list(yaml.safe_load_all(compiled))
    pipeline = documents[0]
    for dag in [pipeline["root"]["dag"], *(component["dag"] for component in pipeline["components"].values() if "dag" in component)]:
        for task in dag["tasks"].values():
            task.pop("retryPolicy", None)
    return yaml.safe_dump_all(documents, sort_keys=True)
