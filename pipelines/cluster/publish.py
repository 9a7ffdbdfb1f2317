"""Bring the compiled pipeline to Kubeflow Pipelines.

By its content, once, whoever else is doing the same.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import kfp_server_api

from components.shared.errors import EmotionError, InputError
from components.shared.serialization import from_json
from pipelines import code_version
from pipelines.cluster.client import Kubeflow, called, every
from pipelines.compiler import compile_pipeline
from pipelines.resources import Cluster

PIPELINE = "emotion-retraining"
RECORD = code_version.ROOT / "build" / "images.json"


def compiled_for(registry: str, cluster: Cluster, *, record: Path = RECORD) -> str:
    """Return the pipeline for a cluster.

    Images by digest where pushing them recorded one, else by tag in ``registry``.

    Raises:
        InputError: neither says where an image is, the record is of other code, or of training
            without CUDA where GPUs are asked for.
    """
    tags = code_version.image_references("", gpu=cluster.tasks["train"].gpus > 0)
    return compile_pipeline(pinned(tags, recorded(record), registry), cluster)


def pinned(tags: Mapping[str, str], pushed: Mapping[str, str], registry: str) -> dict[str, str]:
    """Where a cluster pulls each image.

    Args:
        tags: symbolic name to ``name:content-digest``. pushed: component to
            ``registry/name:tag@sha256:…``.
    """
    references = {}
    for symbol, tag in tags.items():
        reference = pushed.get(symbol.removeprefix("emotion-"), "")
        if reference.partition("@")[0].endswith(f"/{tag}") and reference.startswith(
            f"{registry.rstrip('/')}/" if registry else ""
        ):
            references[symbol] = reference
        elif registry:
            references[symbol] = f"{registry.rstrip('/')}/{tag}"
        else:
            raise _not_pushed(symbol, tag, reference)
    return references


def version_name(compiled: str) -> str:
    """Return the name of a version: the same code has the same YAML, and so the same name."""
    return hashlib.sha256(compiled.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class About:
    """What a person reads beside an id or a digest. ``name``: short.

    ``description``: one sentence.
    """

    name: str
    description: str


def about_version(preset: str, commit: str) -> About:
    """Return a version of the pipeline for people.

    The preset whose sizes and defaults it has, when it was uploaded (UTC), of which commit.
    """
    name = " · ".join(
        filter(None, (preset, f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M}", commit))
    )
    return About(
        name,
        f"Sizes and defaults of the preset {preset}; compiled from commit {commit or 'unknown'}.",
    )


def ensure_version(client: Kubeflow, compiled: str, about: About) -> tuple[str, str]:
    """Upload the pipeline as a version of `PIPELINE` unless it stands there.

    Returns the ids of pipeline and version.

    A version's name is the digest of its content, by which it is found again; people see ``about``.
    """
    namespace = client.get_user_namespace() or None

    def pipeline() -> Any:
        return _only(client.list_pipelines, "pipelines", PIPELINE, namespace=namespace)

    def create_pipeline() -> Any:
        description = "Nightly retraining of a facial-emotion classifier behind evaluation gates."
        wanted = kfp_server_api.V2beta1Pipeline(
            display_name=PIPELINE, name=PIPELINE, namespace=namespace, description=description
        )
        return client.pipelines.pipeline_service_create_pipeline(wanted)

    found = _ensure(pipeline, create_pipeline)
    name = version_name(compiled)

    def version() -> Any:
        versions = every(
            client.list_pipeline_versions,
            "pipeline_versions",
            filter=called(name, "name"),
            pipeline_id=found.pipeline_id,
        )
        return next((one for one in versions if one.name == name), None)

    def upload() -> Any:
        api = kfp_server_api.PipelineUploadServiceApi(
            client.pipelines.api_client
        )  # kfp's own method gives no display name
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            path.write_text(compiled)
            return api.upload_pipeline_version(
                str(path),
                name=name,
                display_name=about.name,
                description=about.description,
                pipelineid=found.pipeline_id,
            )

    return found.pipeline_id, _ensure(version, upload).pipeline_version_id


def ensure_experiment(client: Kubeflow, name: str) -> str:
    """Id of the experiment that holds a preset's runs."""
    namespace = client.get_user_namespace() or None
    description = f"Runs of the preset {name}, by hand and scheduled."
    wanted = kfp_server_api.V2beta1Experiment(
        display_name=name, namespace=namespace, description=description
    )
    found = _ensure(
        lambda: experiment_called(client, name),
        lambda: client.experiments.experiment_service_create_experiment(wanted),
    )
    return str(found.experiment_id)


def experiment_called(client: Kubeflow, name: str) -> Any:
    """Return the experiment of a name, or None."""
    return _only(
        client.list_experiments, "experiments", name, namespace=client.get_user_namespace() or None
    )


def start_run(
    client: Kubeflow,
    about: About,
    experiment_id: str,
    pipeline_id: str,
    version_id: str,
    parameters: Mapping[str, Any],
    account: str,
) -> Any:
    """Start a run of a pipeline's version; its pods run as the service account ``account``."""
    reference = kfp_server_api.V2beta1PipelineVersionReference(
        pipeline_id=pipeline_id, pipeline_version_id=version_id
    )
    wanted = kfp_server_api.V2beta1Run(
        display_name=about.name,
        description=about.description,
        experiment_id=experiment_id,
        pipeline_version_reference=reference,
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=dict(parameters)),
        service_account=account,
    )
    return client.runs.run_service_create_run(wanted)


def _ensure(look: Callable[[], Any], make: Callable[[], Any]) -> Any:
    """Return what stands, or what was made.

    Names are unique, so of two who make it at once the second finds the first one's.

    Servers differ in how they say that a name is taken (409, 400, 500), so any refusal is followed
    by another look.
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
    return next(
        (
            item
            for item in every(page_of, field, filter=called(name), **arguments)
            if item.display_name == name
        ),
        None,
    )


def _not_pushed(symbol: str, tag: str, reference: str) -> InputError:
    variant, _, plain = tag.rpartition("/")
    what, fix = (
        ("of other code" if reference else "unknown"),
        f"`make push REGISTRY=…{' GPU=1' if variant else ''}`",
    )
    if variant and reference.partition("@")[0].endswith(f"/{plain}"):
        what, fix = "without CUDA", f"{fix}, or train on any node with --no-gpu"
    return InputError(
        f"the pushed image of {symbol} is {what}", expected=tag, received=reference, fix=fix
    )


def recorded(record: Path) -> dict[str, str]:
    """Component to the reference that `make push` recorded; empty where nothing was pushed.

    Raises InputError.
    """
    if not record.is_file():
        return {}
    try:
        return from_json(dict[str, str], record.read_bytes(), str(record))
    except EmotionError as error:
        raise InputError(
            f"{record} isn't what `make push` writes",
            received=str(error),
            fix="`make push REGISTRY=…`",
        ) from error
