"""Bring the compiled pipeline to Kubeflow Pipelines: by its content, once, whoever else is doing the same."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import kfp_server_api

from components.contracts.codec import from_json
from components.contracts.errors import EmotionError, InputError
from pipelines import code
from pipelines.client import Kubeflow, called, every
from pipelines.compiling import compile_pipeline, with_claims, without_gpus

PIPELINE = "emotion-retraining"
RECORD = code.ROOT / "build" / "images.json"


def compiled_for(registry: str, *, gpus: bool, claims: Iterable[str] = (), record: Path = RECORD) -> str:
    """The pipeline for a cluster: images by digest where pushing them recorded one, else by tag in ``registry``.

    Args:
        claims: PersistentVolumeClaims that hold the store or data.

    Raises:
        InputError: neither says where an image is, the record is of other code, or of training without CUDA where GPUs are asked for.
    """
    text = compile_pipeline(pinned(code.image_references("", gpu=gpus), _recorded(record), registry))
    return with_claims(text if gpus else without_gpus(text), claims)


def pinned(tags: Mapping[str, str], recorded: Mapping[str, str], registry: str) -> dict[str, str]:
    """Where a cluster pulls each image.

    Args:
        tags: symbolic name to ``name:content-digest``. recorded: component to ``registry/name:tag@sha256:…``.
    """
    references = {}
    for symbol, tag in tags.items():
        reference = recorded.get(symbol.removeprefix("emotion-"), "")
        if reference.partition("@")[0].endswith(f"/{tag}") and reference.startswith(f"{registry.rstrip('/')}/" if registry else ""):
            references[symbol] = reference
        elif registry:
            references[symbol] = f"{registry.rstrip('/')}/{tag}"
        else:
            raise _not_pushed(symbol, tag, reference)
    return references


def version_name(compiled: str) -> str:
    """The same code has the same YAML, and so the same version."""
    return hashlib.sha256(compiled.encode()).hexdigest()[:24]


def ensure_version(client: Kubeflow, compiled: str) -> tuple[str, str]:
    """Upload the pipeline as a version of `PIPELINE` unless it stands there. Returns the ids of pipeline and version."""
    namespace = client.get_user_namespace() or None

    def pipeline() -> Any:
        return _only(client.list_pipelines, "pipelines", PIPELINE, namespace=namespace)

    def create_pipeline() -> Any:
        wanted = kfp_server_api.V2beta1Pipeline(display_name=PIPELINE, name=PIPELINE, namespace=namespace)
        return client.pipelines.pipeline_service_create_pipeline(wanted)

    found = _ensure(pipeline, create_pipeline)
    name = version_name(compiled)

    def version() -> Any:
        return _only(client.list_pipeline_versions, "pipeline_versions", name, pipeline_id=found.pipeline_id)

    def upload() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            path.write_text(compiled)
            return client.upload_pipeline_version(str(path), name, pipeline_id=found.pipeline_id)

    return found.pipeline_id, _ensure(version, upload).pipeline_version_id


def ensure_experiment(client: Kubeflow, name: str) -> str:
    """Id of the experiment that holds a preset's runs."""
    namespace = client.get_user_namespace() or None
    wanted = kfp_server_api.V2beta1Experiment(display_name=name, namespace=namespace)
    found = _ensure(
        lambda: experiment_called(client, name),
        lambda: client.experiments.experiment_service_create_experiment(wanted),
    )
    return str(found.experiment_id)


def experiment_called(client: Kubeflow, name: str) -> Any:
    """The experiment of a name, or None."""
    return _only(client.list_experiments, "experiments", name, namespace=client.get_user_namespace() or None)


def _ensure(look: Callable[[], Any], make: Callable[[], Any]) -> Any:
    """What stands, or what was made. Names are unique, so of two who make it at once the second finds the first one's.

    Servers differ in how they say that a name is taken (409, 400, 500), so any refusal is followed by another look.
    """
    found = look()
    if found is not None:
        return found
    try:
        return make()
    except kfp_server_api.ApiException:
        found = look()
        if found is None:
            raise
        return found


def _only(page_of: Callable[..., Any], field: str, name: str, **arguments: Any) -> Any:
    return next((item for item in every(page_of, field, filter=called(name), **arguments) if item.display_name == name), None)


def _not_pushed(symbol: str, tag: str, reference: str) -> InputError:
    variant, _, plain = tag.rpartition("/")
    what, fix = ("of other code" if reference else "unknown"), f"`make push REGISTRY=…{' GPU=1' if variant else ''}`"
    if variant and reference.partition("@")[0].endswith(f"/{plain}"):
        what, fix = "without CUDA", f"{fix}, or train on any node with --no-gpu"
    return InputError(f"the pushed image of {symbol} is {what}", expected=tag, received=reference, fix=fix)


def _recorded(record: Path) -> dict[str, str]:
    if not record.is_file():
        return {}
    try:
        return from_json(dict[str, str], record.read_bytes(), str(record))
    except EmotionError as error:
        raise InputError(f"{record} isn't what `make push` writes", received=str(error), fix="`make push REGISTRY=…`") from error
