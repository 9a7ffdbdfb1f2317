"""The evaluate step: artifacts in, scores of every model on identical rows out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import artifacts
from components.contracts.artifacts import PREDICTION_COLUMNS, Snapshot, read_marker, write_atomically
from components.contracts.codec import to_pretty_json
from components.contracts.errors import ContractError
from components.contracts.findings import EvaluateFindings, SamplePrediction, Scores
from components.contracts.preset import ImageSpec
from components.evaluation import metrics, predict, rows, samples
from components.evaluation.metrics import Table
from components.evaluation.rows import Rows
from components.inference.model import ServedModel
from components.inference.versions import night_plan, version_folder
from components.runtime import progress
from components.runtime.step import Context

BATCH_SIZE = 128


def evaluate(context: Context, arguments: argparse.Namespace) -> EvaluateFindings:
    """Score the challenger, and the champion and anchor that the night plan names.

    Raises:
        ContractError: an artifact is damaged, or the models take other images or name other labels.
    """
    snapshot = read_marker(arguments.examples, "examples", Snapshot)
    roles, models = _models(context, arguments, snapshot)
    tested = rows.read_rows(arguments.examples, snapshot)
    batches = rows.image_batches(arguments.examples, snapshot, BATCH_SIZE)
    spec = models[roles["challenger"]].manifest.image
    answers = predict.answers(models, batches, spec, lambda done: progress.show(done, len(tested), "images", f"{len(models)} models"))

    folder = artifacts.start(arguments.evaluation)
    for who, version in roles.items():
        _write_predictions(folder / f"predictions-{who}.parquet", tested, snapshot.labels, answers[version])
    truth, twins = tested.labels, tested.has_twin
    scored = {version: metrics.scores(version, snapshot.labels, truth, table, twins) for version, table in answers.items()}
    by_role = {who: (scored[version], answers[version]) for who, version in roles.items()}
    challenger, champion, anchor = by_role["challenger"], by_role.get("champion"), by_role.get("anchor")
    champion_table = champion[1] if champion else None
    findings = EvaluateFindings(
        snapshot_id=snapshot.snapshot_id,
        labels=snapshot.labels,
        challenger=challenger[0],
        champion=champion[0] if champion else None,
        anchor=anchor[0] if anchor else None,
        comparison=None if champion_table is None else metrics.comparison(truth, challenger[1], champion_table),
        samples=_samples(arguments.examples, snapshot, tested, spec, context.preset.training.seed, challenger[1], champion_table),
    )
    _publish(context, arguments, findings)
    artifacts.finish(folder, "evaluation", findings)
    for who, (score, _) in by_role.items():
        figures = f"accuracy {score.accuracy:.3f}, macro F1 {score.macro_f1:.3f}"
        print(f"{who} {score.version}: {figures} on {score.rows:,} test images", flush=True)
    return findings


def _models(context: Context, arguments: argparse.Namespace, snapshot: Snapshot) -> tuple[dict[str, str], dict[str, ServedModel]]:
    """Version by role, and each version's model once, whatever its roles."""
    plan = night_plan(context.store, arguments.plan)
    threads = len(os.sched_getaffinity(0))
    challenger = ServedModel(arguments.model, threads)
    if challenger.manifest.labels != snapshot.labels:
        raise ContractError(
            "the challenger names other labels than the examples",
            expected=", ".join(snapshot.labels),
            received=", ".join(challenger.manifest.labels),
            fix="train on this examples artifact",
        )
    roles = {"challenger": challenger.manifest.version}
    models = {challenger.manifest.version: challenger}
    for who, pointer in (("champion", plan.champion), ("anchor", plan.anchor)):
        if pointer is None:
            continue
        roles[who] = pointer.version
        if pointer.version not in models:
            folder = version_folder(context.store, context.preset.model_name, pointer.version, context.scratch / "models")
            models[pointer.version] = _comparable(who, ServedModel(folder, threads), challenger)
    return roles, models


def _comparable(who: str, model: ServedModel, challenger: ServedModel) -> ServedModel:
    ours, theirs = challenger.manifest, model.manifest
    for what, wanted, found in (("labels", ours.labels, theirs.labels), ("input", ours.image, theirs.image)):
        if wanted != found:
            raise ContractError(
                f"the {who} {theirs.version} has other {what} than the challenger, so they can't be compared",
                expected=str(wanted),
                received=str(found),
                fix="give a preset with other labels or input a model_name of its own",
            )
    return model


def _write_predictions(path: Path, tested: Rows, labels: tuple[str, ...], probabilities: Table) -> None:
    table = pa.table(
        {
            "example_id": pa.array(tested.example_ids, pa.string()),
            "label": pa.array(labels, pa.string()).take(pa.array(tested.labels)),
            "probabilities": pa.array(list(probabilities.astype(np.float32)), pa.list_(pa.float32())),
        }
    )
    pq.write_table(table.select(list(PREDICTION_COLUMNS)), path)


def _samples(
    examples: Path, snapshot: Snapshot, tested: Rows, spec: ImageSpec, seed: int, challenger: Table, champion: Table | None
) -> tuple[SamplePrediction, ...]:
    chosen = samples.choose(tested.labels, challenger, seed)
    images = rows.images_of(examples, snapshot, {tested.example_ids[row] for row in chosen})
    return tuple(
        samples.sample(
            images[tested.example_ids[row]],
            spec,
            tested.example_ids[row],
            snapshot.labels,
            int(tested.labels[row]),
            challenger[row],
            None if champion is None else champion[row],
        )
        for row in chosen
    )


def _publish(context: Context, arguments: argparse.Namespace, findings: EvaluateFindings) -> None:
    """The same figures as KFP metadata and as small files."""
    values = {"rows": findings.challenger.rows, **_scalars("", findings.challenger)}
    if findings.champion:
        values.update(_scalars("champion_", findings.champion))
    context.executor_output.metadata("metrics", **values)
    context.executor_output.confusion_matrix("confusion_matrix", findings.labels, findings.challenger.confusion)
    if arguments.metrics:
        write_atomically(arguments.metrics, to_pretty_json(values).encode())
    if arguments.confusion_matrix:
        matrix = {"labels": findings.labels, "rows": findings.challenger.confusion}
        write_atomically(arguments.confusion_matrix, to_pretty_json(matrix).encode())


def _scalars(prefix: str, scores: Scores) -> dict[str, float]:
    names = ("accuracy", "balanced_accuracy", "macro_f1", "majority_share", "log_loss", "brier", "ece", "accuracy_without_twins")
    return {prefix + name: getattr(scores, name) for name in names}
