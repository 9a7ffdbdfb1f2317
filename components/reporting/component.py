"""The kfp signature of report."""

from kfp import dsl
from kfp.dsl import HTML, Output

IMAGE = "emotion-reporting"
COMMAND = ["python", "-m", "components.reporting"]
WEBHOOK_FILE = (  # a mounted secret; where there is none, nobody is called
    "/var/run/secrets/emotion/notification/webhook-url"
)


@dsl.container_component
def report(
    store: str, run_id: str, job_id: str, status: dsl.PipelineTaskFinalStatus, page: Output[HTML]
):
    """Build the page and the summary from the evidence of the steps, whatever happened.

    Args:
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run; empty for the id of the workflow.
        job_id: Id of the workflow, by which the run's name in the store is found.
        status: How the pipeline ended, from Kubeflow Pipelines.

    Returns:
        page: The report: one HTML page that loads nothing.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "report",
            "--store",
            store,
            "--run-id",
            run_id,
            "--job-id",
            job_id,
            "--status",
            status,
            "--webhook-file",
            WEBHOOK_FILE,
            "--page",
            page.path,
            "--executor-input",
            "{{$}}",
        ],
    )
