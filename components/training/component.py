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
    """Train the challenger and export it for serving.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        code_version: Digest of the code and locks that the steps run with.
        examples: Accepted images with their labels and splits.
        sampling_plan: How often each training row is drawn, and the weight of each label.

    Returns:
        model: The challenger: the served file, what it takes and answers, and golden images.
        metrics: Accuracy and calibration on held-out rows, and what the training took.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "train",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--code-version",
            code_version,
            "--examples",
            examples.path,
            "--sampling-plan",
            sampling_plan.path,
            "--model",
            model.path,
            "--metrics",
            metrics.path,
            "--executor-input",
            "{{$}}",
        ],
    )
