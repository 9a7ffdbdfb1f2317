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
    """Start the real predictor on the challenger, send it the golden images, and measure it.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        plan: Digest of the run plan, which resolve stored.
        model: The challenger: the served file, what it takes and answers, and golden images.

    Returns:
        serving_check: Answers to the golden images, start, latency and memory of challenger and
            champion.
        metrics: Latency, memory and faithfulness of the challenger's predictor.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "check-serving",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--plan",
            plan,
            "--model",
            model.path,
            "--serving-check",
            serving_check.path,
            "--metrics",
            metrics.path,
            "--executor-input",
            "{{$}}",
        ],
    )
