"""The kfp signature of report."""

from kfp import dsl
from kfp.dsl import HTML, Output

IMAGE = "emotion-reporting"
COMMAND = ["python", "-m", "components.reporting"]
WEBHOOK_FILE = "/var/run/secrets/emotion/notification/webhook-url"  # a mounted secret; where there is none, nobody is called


@dsl.container_component
def report(preset: str, store: str, run_id: str, status: dsl.PipelineTaskFinalStatus, page: Output[HTML]):
    """Build the page and the summary from the evidence of the steps, whatever happened."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "report", "--preset", preset, "--store", store, "--run-id", run_id, "--job-id", dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            "--status", status, "--webhook-file", WEBHOOK_FILE, "--page", page.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
