"""The kfp signatures of evaluate and gate."""

from kfp import dsl
from kfp.dsl import (
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    Markdown,
    Metrics,
    Model,
    Output,
)

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
    """Score challenger, champion and anchor on the same test rows with the files that serve.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        plan: Digest of the run plan, which resolve stored.
        examples: Accepted images with their labels and splits.
        model: The challenger: the served file, what it takes and answers, and golden images.

    Returns:
        evaluation: Scores and predictions of challenger, champion and anchor on the same rows.
        metrics: The challenger's scores beside those of the champion.
        confusion_matrix: The challenger's counts, true labels by predicted ones.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "evaluate",
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
            "--model",
            model.path,
            "--evaluation",
            evaluation.path,
            "--metrics",
            metrics.path,
            "--confusion-matrix",
            confusion_matrix.path,
            "--executor-input",
            "{{$}}",
        ],
    )


@dsl.container_component
def gate(
    preset: str,
    store: str,
    run_id: str,
    plan: str,
    evaluation: Input[Artifact],
    serving_check: Input[Artifact],
    word: dsl.OutputPath(str),  # type: ignore[valid-type]
    verdict: Output[
        Metrics
    ],  # "Compare runs" shows the metadata of Metrics alone (frontend/src/pages/CompareV2.tsx)
    verdict_summary: Output[Markdown],
):
    """Judge the challenger by floors, champion and anchor; succeed whatever the verdict is.

    Args:
        preset: Digest of the preset, which resolve stored.
        store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
            pvc://claim/path.
        run_id: Name of the run in the store.
        plan: Digest of the run plan, which resolve stored.
        evaluation: Scores and predictions of challenger, champion and anchor on the same rows.
        serving_check: Answers to the golden images, start, latency and memory of challenger and
            champion.

    Returns:
        word: Word for what follows: blessed, rejected or needs-approval.
        verdict: The gate's word, and every check with its value, bound and reason.
        verdict_summary: The word with its reasons and every check, as a table for people.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "gate",
            "--preset",
            preset,
            "--store",
            store,
            "--run-id",
            run_id,
            "--plan",
            plan,
            "--evaluation",
            evaluation.path,
            "--serving-check",
            serving_check.path,
            "--word-output",
            word,
            "--verdict",
            verdict.path,
            "--verdict-summary",
            verdict_summary.path,
            "--executor-input",
            "{{$}}",
        ],
    )
