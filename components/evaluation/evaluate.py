"""The evaluate step: artifacts in, scores of every model on identical rows out."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.evaluation.gate.case import Answers
from components.evaluation.gate.checks.prescreen import stops
from components.evaluation.scoring import changes, metrics, predict, rows, samples, tables
from components.evaluation.scoring.rows import Rows
from components.evaluation.scoring.slices import slices
from components.evaluation.scoring.sums import Table
from components.shared.artifacts import contract
from components.shared.artifacts.contract import Snapshot, read_marker, write_atomically
from components.shared.errors import ContractError
from components.shared.findings import EvaluateFindings, SamplePrediction, Scores
from components.shared.inference.model import ServedModel
from components.shared.inference.versions import night_plan, version_folder
from components.shared.serialization import to_pretty_json
from components.shared.step import progress
from components.shared.step.frame import Context

BATCH_SIZE = 128
MOST_FLIPS = 24
# Fields of the scores by the names under which Kubeflow Pipelines compares runs.
SCALARS = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "macro F1": "macro_f1",
    "majority share": "majority_share",
    "log loss": "log_loss",
    "Brier score": "brier",
    "expected calibration error": "ece",
    "accuracy without copies of training rows": "accuracy_without_twins",
}


@dataclass(frozen=True)
class Models:
    """Version by role, and each version's model once, whatever its roles."""

    roles: dict[str, str]
    loaded: dict[str, ServedModel]

    def by_role(self, answers: Mapping[str, Table]) -> dict[str, Table]:
        """Answers by version, by role."""
        return {role: answers[version] for role, version in self.roles.items()}


def evaluate(context: Context, arguments: argparse.Namespace) -> EvaluateFindings:
    """Score the challenger, and the champion and anchor that the night plan names.

    All of them answer the held-out rows first. A challenger that the pre-screen stops there never
    meets the test rows: the findings are then of the held-out rows.

    Raises:
        ContractError: an artifact is damaged, or the models take other images or name other labels.
    """
    snapshot = read_marker(arguments.examples, "examples", Snapshot)
    models = _models(context, arguments, snapshot)
    by_split = rows.read_rows(arguments.examples, snapshot)
    policy = context.preset.gate

    answered: dict[str, Answers] = {}
    for split in ("validation", "test"):
        if len(by_split[split]) and not stops(answered.get("validation"), policy.margin):
            answered[split] = _answers(
                arguments.examples, snapshot, models, by_split[split], split, policy.slices
            )
    folder = contract.start(arguments.evaluation)
    scored_on = "test" if "test" in answered else "validation"
    by_role = {
        role: {split: found.probabilities[role] for split, found in answered.items()}
        for role in models.roles
    }
    tables.write_tables(folder, {split: by_split[split] for split in answered}, by_role)

    findings = _findings(context, arguments.examples, snapshot, models, by_split, answered)
    _publish(context, arguments, findings)
    contract.finish(folder, "evaluation", findings)
    for who, score in (
        ("challenger", findings.challenger),
        ("champion", findings.champion),
        ("anchor", findings.anchor),
    ):
        if score is not None:
            figures = f"accuracy {score.accuracy:.3f}, macro F1 {score.macro_f1:.3f}"
            print(
                f"{who} {score.version}: {figures} on {score.rows:,} {scored_on} images", flush=True
            )
    return findings


def _findings(
    context: Context,
    examples: Path,
    snapshot: Snapshot,
    models: Models,
    by_split: Mapping[str, Rows],
    answered: Mapping[str, Answers],
) -> EvaluateFindings:
    """All figures, of the test rows or, where the challenger didn't get that far, of the held-out rows."""
    scored_on = "test" if "test" in answered else "validation"
    asked, answers = by_split[scored_on], answered[scored_on]
    given = answers.probabilities
    scored: dict[str, Scores] = {}
    for role, version in models.roles.items():
        if version not in scored:
            scored[version] = metrics.scores(
                version,
                snapshot.labels,
                asked.labels,
                given[role],
                asked.exact_twin,
                asked.near_twin,
                asked.votes,
            )
    roles = {role: scored[version] for role, version in models.roles.items()}
    compared = {
        role: metrics.comparison(asked.labels, given["challenger"], given[role]) for role in roles
    }
    held_out = answered.get("validation")
    gained, lost = changes.flips(answers, MOST_FLIPS)
    chosen = samples.choose(asked.labels, given["challenger"], context.preset.training.seed)
    shown = _samples(examples, snapshot, models, asked, given, [*chosen, *gained, *lost])
    return EvaluateFindings(
        snapshot_id=snapshot.snapshot_id,
        labels=snapshot.labels,
        challenger=roles["challenger"],
        champion=roles.get("champion"),
        anchor=roles.get("anchor"),
        comparison=compared.get("champion"),
        samples=tuple(shown[row] for row in chosen),
        scored_on="test" if scored_on == "test" else "validation",
        test_set=tables.identity(by_split["test"].table),
        anchor_comparison=compared.get("anchor"),
        held_out=(
            metrics.comparison(
                held_out.labels,
                held_out.probabilities["challenger"],
                held_out.probabilities["champion"],
            )
            if held_out and "champion" in roles
            else None
        ),
        classes=changes.class_changes(answers, snapshot.labels),
        slices=changes.slice_changes(answers),
        gained=tuple(shown[row] for row in gained),
        lost=tuple(shown[row] for row in lost),
    )


def _answers(
    examples: Path,
    snapshot: Snapshot,
    models: Models,
    asked: Rows,
    split: str,
    columns: tuple[str, ...],
) -> Answers:
    batches = rows.image_batches(examples, snapshot, split, BATCH_SIZE)
    spec = next(iter(models.loaded.values())).manifest.image
    what = f"{split} · {len(models.loaded)} models"
    found = predict.answers(
        models.loaded, batches, spec, lambda done: progress.show(done, len(asked), "images", what)
    )
    return Answers(
        asked.labels, asked.groups, slices(asked.columns, columns), models.by_role(found)
    )


def _models(context: Context, arguments: argparse.Namespace, snapshot: Snapshot) -> Models:
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
    loaded = {challenger.manifest.version: challenger}
    for who, pointer in (("champion", plan.champion), ("anchor", plan.anchor)):
        if pointer is None:
            continue
        roles[who] = pointer.version
        if pointer.version not in loaded:
            folder = version_folder(
                context.store,
                context.preset.model_name,
                pointer.version,
                context.scratch / "models",
            )
            loaded[pointer.version] = _comparable(who, ServedModel(folder, threads), challenger)
    return Models(roles, loaded)


def _comparable(who: str, model: ServedModel, challenger: ServedModel) -> ServedModel:
    ours, theirs = challenger.manifest, model.manifest
    for what, wanted, found in (
        ("labels", ours.labels, theirs.labels),
        ("input", ours.image, theirs.image),
    ):
        if wanted != found:
            raise ContractError(
                f"the {who} {theirs.version} has other {what} than the challenger, so they can't be"
                " compared",
                expected=str(wanted),
                received=str(found),
                fix="give a preset with other labels or input a model_name of its own",
            )
    return model


def _samples(
    examples: Path,
    snapshot: Snapshot,
    models: Models,
    asked: Rows,
    given: Mapping[str, Table],
    chosen: list[int],
) -> dict[int, SamplePrediction]:
    """Rows for the galleries, each with its picture, by row."""
    ids = asked.example_ids
    images = rows.images_of(examples, snapshot, {ids[row] for row in chosen})
    spec = next(iter(models.loaded.values())).manifest.image
    champion = given.get("champion")
    return {
        row: samples.sample(
            images[ids[row]],
            spec,
            ids[row],
            snapshot.labels,
            int(asked.labels[row]),
            given["challenger"][row],
            None if champion is None else champion[row],
        )
        for row in chosen
    }


def _publish(context: Context, arguments: argparse.Namespace, findings: EvaluateFindings) -> None:
    """Write the same figures as KFP metadata and as small files."""
    challenger, champion, anchor = findings.challenger, findings.champion, findings.anchor
    values = {
        "rows": challenger.rows,
        **{name: getattr(challenger, field) for name, field in SCALARS.items()},
    }
    if champion:
        values |= {f"champion {name}": getattr(champion, field) for name, field in SCALARS.items()}
    context.executor_output.metadata("metrics", **values)
    versions = {"champion": champion and champion.version, "anchor": anchor and anchor.version}
    decisive = {
        "rows": challenger.rows,
        "accuracy": challenger.accuracy,
        "scored on": findings.scored_on,
    }
    context.executor_output.metadata(
        "evaluation", challenger=challenger.version, **versions, **decisive
    )
    context.executor_output.confusion_matrix(
        "confusion_matrix", findings.labels, findings.challenger.confusion
    )
    if arguments.metrics:
        write_atomically(arguments.metrics, to_pretty_json(values).encode())
    if arguments.confusion_matrix:
        matrix = {"labels": findings.labels, "rows": findings.challenger.confusion}
        write_atomically(arguments.confusion_matrix, to_pretty_json(matrix).encode())
