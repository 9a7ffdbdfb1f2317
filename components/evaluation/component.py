"""The kfp signatures of evaluate and gate."""

from kfp import dsl
from kfp.dsl import Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

IMAGE = "emotion-evaluation"
COMMAND = ["python", "-m", "components.evaluation"]


@dsl.container_component
def evaluate(
    preset: str,
    store: str,
    run_id: str,
    plan: str,
    examples: Input[Dataset],
    model: Input[Model],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    confusion_matrix: Output[ClassificationMetrics],
):
    """Score challenger, champion and anchor on the same test rows with the files that serve."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "evaluate", "--preset", preset, "--store", store, "--run-id", run_id, "--plan", plan,
            "--examples", examples.path, "--model", model.path, "--evaluation", evaluation.path,
            "--metrics", metrics.path, "--confusion-matrix", confusion_matrix.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip


@dsl.container_component
def gate(
    preset: str,
    store: str,
    run_id: str,
    plan: str,
    evaluation: Input[Artifact],
    serving_check: Input[Artifact],
    word: dsl.OutputPath(str),  # type: ignore[valid-type]
    verdict: Output[Artifact],
):
    """Judge the challenger. ``word`` is blessed, rejected or needs-approval; the step succeeds either way."""
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "gate", "--preset", preset, "--store", store, "--run-id", run_id, "--plan", plan,
            "--evaluation", evaluation.path, "--serving-check", serving_check.path,
            "--word-output", word, "--verdict", verdict.path,
            "--executor-input", "{{$}}",
        ],
    )  # fmt: skip
