"""The kfp signatures of register and deploy."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

IMAGE = "emotion-deployment"
COMMAND = ["python", "-m", "components.deployment"]
SERVING_IMAGE = "emotion-serving"  # compiling puts the pushed one in its place, as with IMAGE


@dsl.container_component
def register(
    preset: str,
    store: str,
    run_id: str,
    model: Input[Model],
    verdict: Input[Artifact],
):
    """Keep a challenger that needs approval in the registry, and ask a person.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        model: The challenger: the served file, what it takes and answers, and golden images.
        verdict: The gate's word, and every check with its value, bound and reason.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "register",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--model",
            model.path,
            "--verdict",
            verdict.path,
            "--serving-image",
            SERVING_IMAGE,
            "--executor-input",
            "{{$}}",
        ],
    )


@dsl.container_component
def deploy(
    preset: str,
    store: str,
    run_id: str,
    model: Input[Model],
    verdict: Input[Artifact],
    deployment: Output[Artifact],
):
    """Make the blessed challenger the champion and render what serves it.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        model: The challenger: the served file, what it takes and answers, and golden images.
        verdict: The gate's word, and every check with its value, bound and reason.

    Returns:
        deployment: The InferenceService that serves the version, and what the registry says now.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "deploy",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--model",
            model.path,
            "--verdict",
            verdict.path,
            "--deployment",
            deployment.path,
            "--serving-image",
            SERVING_IMAGE,
            "--executor-input",
            "{{$}}",
        ],
    )
