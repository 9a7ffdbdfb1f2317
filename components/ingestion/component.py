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
    job_id: str,
    compiled_for: str,
    code_version: str,
    force: bool,
    work: dsl.OutputPath(str),  # type: ignore[valid-type]
    plan: dsl.OutputPath(str),  # type: ignore[valid-type]
    run: dsl.OutputPath(str),  # type: ignore[valid-type]
    preset_digest: dsl.OutputPath(str),  # type: ignore[valid-type]
):
    """Decide whether there is anything to do: compare source, preset and code with the last judged run.

    Args:
        preset: Name of a shipped preset, or the JSON text of one.
        source: Address of the images, or a JSON list of several; empty where the preset names them.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run; empty for the id of the workflow.
        job_id: Id of the workflow. A name that another workflow's run has is not taken twice.
        compiled_for: Device whose task sizes this pipeline version has: cpu or gpu.
        code_version: Digest of the code and locks that the steps run with.
        force: Retrain even when nothing is new.

    Returns:
        work: Word for what follows: new or nothing-new.
        plan: Digest of the run plan, which later steps read from the store.
        run: Name of the run in the store.
        preset_digest: Digest of the preset, which later steps read from the store.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "resolve",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--job-id",
            job_id,
            "--source",
            source,
            "--compiled-for",
            compiled_for,
            "--code-version",
            code_version,
            "--force",
            force,
            "--work-output",
            work,
            "--plan-output",
            plan,
            "--run-output",
            run,
            "--preset-output",
            preset_digest,
            "--executor-input",
            "{{$}}",
        ],
    )


@dsl.container_component
def ingest(preset: str, store: str, run_id: str, plan: str, examples: Output[Dataset]):
    """Read and check every image of the source and write the examples artifact.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        plan: Digest of the run plan, which resolve stored.

    Returns:
        examples: Accepted images with their labels and splits.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "ingest",
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
            "--executor-input",
            "{{$}}",
        ],
    )
