"""The kfp signature of the serving check."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Model, Output

IMAGE = "emotion-serving"
COMMAND = ["python", "-m", "components.serving"]


@dsl.container_component
def check_serving(
    preset: str,
    store: str,
    run_id: str,
    plan: str,
    model: Input[Model],
    serving_check: Output[Artifact],
    metrics: Output[Metrics],
):
    """Start the real predictor on the challenger, send it the golden images, and measure it."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "check-serving", "--preset", preset, "--store", store, "--run-id", run_id, "--plan", plan,
            "--model", model.path, "--serving-check", serving_check.path, "--metrics", metrics.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
