"""The kfp signature of validate."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

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
    validation: Output[Artifact],
):
    """Judge the examples. ``decision`` is go or stop; the step itself succeeds either way."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "validate", "--preset", preset, "--store", store, "--run-id", run_id, "--plan", plan,
            "--examples", examples.path, "--decision-output", decision, "--validation", validation.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
