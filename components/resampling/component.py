"""The kfp signature of resample."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

IMAGE = "emotion-resampling"
COMMAND = ["python", "-m", "components.resampling"]


@dsl.container_component
def resample(
    preset: str, store: str, run_id: str, examples: Input[Dataset], sampling_plan: Output[Dataset]
):
    """Say how often each training row is seen and how much it counts; no pixel is copied.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        examples: Accepted images with their labels and splits.

    Returns:
        sampling_plan: How often each training row is drawn, and the weight of each label.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "resample",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--examples",
            examples.path,
            "--sampling-plan",
            sampling_plan.path,
            "--executor-input",
            "{{$}}",
        ],
    )
