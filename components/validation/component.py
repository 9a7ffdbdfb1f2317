"""The kfp signature of validate."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Markdown, Metrics, Output

IMAGE = "emotion-validation"
COMMAND = ["python", "-m", "components.validation"]


@dsl.container_component
def validate(
    preset: str,
    store: str,
    run_id: str,
    plan: str,
    examples: Input[Dataset],
    decision: dsl.OutputPath(str),  # type: ignore[valid-type]
    validation: Output[
        Metrics
    ],  # "Compare runs" shows the metadata of Metrics alone (frontend/src/pages/CompareV2.tsx)
    data_summary: Output[Markdown],
):
    """Judge the examples by rows, distributions and labels; the step succeeds whatever it decides.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        plan: Digest of the run plan, which resolve stored.
        examples: Accepted images with their labels and splits.

    Returns:
        decision: Word for what follows: go or stop.
        validation: Rules and how they went, statistics, schema, anomalies and pages.
        data_summary: The decision with its reasons, rows by label and split, rejects, and rules
            that failed.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "validate",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--plan",
            plan,
            "--examples",
            examples.path,
            "--decision-output",
            decision,
            "--validation",
            validation.path,
            "--data-summary",
            data_summary.path,
            "--executor-input",
            "{{$}}",
        ],
    )
