"""The kfp signatures of resolve and ingest."""

from kfp import dsl
from kfp.dsl import Dataset, Output

IMAGE = "emotion-ingestion"
COMMAND = ["python", "-m", "components.ingestion"]


@dsl.container_component
def resolve(
    preset: str,
    source: str,
    store: str,
    run_id: str,
    code_version: str,
    force: bool,
    work: dsl.OutputPath(str),  # type: ignore[valid-type]
    plan: dsl.OutputPath(str),  # type: ignore[valid-type]
    run: dsl.OutputPath(str),  # type: ignore[valid-type]
):
    """Is there anything new tonight? ``work`` is new or nothing-new, ``plan`` the digest of the night plan."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "resolve", "--preset", preset, "--store", store, "--run-id", run_id, "--job-id", dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            "--source", source, "--code-version", code_version, "--force", force,
            "--work-output", work, "--plan-output", plan, "--run-output", run,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip


@dsl.container_component
def ingest(preset: str, store: str, run_id: str, plan: str, examples: Output[Dataset]):
    """Read and check every image of the source and write the examples artifact."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "ingest", "--preset", preset, "--store", store, "--run-id", run_id, "--plan", plan,
            "--examples", examples.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
