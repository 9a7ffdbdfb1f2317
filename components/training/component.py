"""The kfp signature of train."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

IMAGE = "emotion-training"
COMMAND = ["python", "-m", "components.training"]


@dsl.container_component
def train(
    preset: str,
    store: str,
    run_id: str,
    code_version: str,
    examples: Input[Dataset],
    sampling_plan: Input[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
):
    """Train the challenger and export it for serving."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "train", "--preset", preset, "--store", store, "--run-id", run_id, "--code-version", code_version,
            "--examples", examples.path, "--sampling-plan", sampling_plan.path,
            "--model", model.path, "--metrics", metrics.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
