"""The kfp signature of deploy."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

IMAGE = "emotion-deployment"
COMMAND = ["python", "-m", "components.deployment"]


@dsl.container_component
def deploy(
    preset: str,
    store: str,
    run_id: str,
    model: Input[Model],
    verdict: Input[Artifact],
    deployment: Output[Artifact],
):
    """Make the blessed challenger the champion and render what serves it."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "deploy", "--preset", preset, "--store", store, "--run-id", run_id,
            "--model", model.path, "--verdict", verdict.path, "--deployment", deployment.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
