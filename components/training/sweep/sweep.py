"""A sweep: many trainings of one preset with varied fields, judged on its held-out rows.

Hopeless ones end early.

Optuna chooses (tree-structured Parzen estimator, Bergstra et al. 2011) and prunes (worse than the
median of the others at the same epoch). The study is a SQLite file; each trial also has the
checkpoint that any training has. So a sweep that was killed goes on in the middle of its trial.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from components.shared.artifacts.contract import write_atomically
from components.shared.errors import InputError
from components.shared.preset import Preset, TrainingPolicy
from components.shared.serialization import digest, to_json
from components.shared.step.executor_output import ExecutorOutput
from components.shared.step.frame import Context
from components.shared.store.interface import open_store
from components.training.data.inputs import Inputs
from components.training.fit.checkpoint import key_of
from components.training.fit.loop import Data, Diverged
from components.training.fit.state import Standing
from components.training.sweep.search_space import Range, Value, varied
from components.training.train import learn

STUDY = "sweep"
STARTUP_TRIALS = 4  # before any is pruned


@dataclass(frozen=True)
class Sweep:
    """How far a sweep goes, and where it stands.

    Attributes:
        folder: holds the study, checkpoints and results.
        trials: finished ones after which it ends, earlier ones included.
        minutes: no trial begins later than that.
    """

    folder: Path
    preset: Preset
    ranges: tuple[Range, ...]
    trials: int
    minutes: float

    @property
    def identity(self) -> str:
        """Of what all trials of one study have in common."""
        return digest([to_json(self.preset), [to_json(each) for each in self.ranges]])


def sweep(asked: Sweep, inputs: Inputs, data: Data, scratch: Path) -> list[FrozenTrial]:
    """Run trials until as many are finished as asked; the finished ones, best first.

    Raises:
        InputError: the folder holds another sweep.
    """
    study = _study(asked, inputs)
    began = time.monotonic()
    while len(_finished(study)) < asked.trials and time.monotonic() - began < 60 * asked.minutes:
        _run(study, asked, inputs, data, scratch)
        trials = _finished(study)
        write_atomically(asked.folder / "trials.csv", _csv(trials, asked.ranges).encode())
        last = trials[-1]
        values = ", ".join(f"{name} {_short(value)}" for name, value in last.params.items())
        print(
            f"trial {len(trials)} of {asked.trials}: {score_of(last):.4f} {last.state.name.lower()}"
            f" · {values}",
            flush=True,
        )
    return ranked(_finished(study))


def ranked(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Whole trials before pruned ones, then by score."""
    return sorted(
        trials,
        key=lambda trial: (trial.state != TrialState.COMPLETE, -score_of(trial), trial.number),
    )


def score_of(trial: FrozenTrial) -> float:
    """Return the best held-out score that it reached, higher is better."""
    return max(trial.intermediate_values.values())


def values_of(trial: FrozenTrial, ranges: Sequence[Range]) -> dict[Range, Value]:
    """Return what it trained with."""
    return {each: trial.params[each.name] for each in ranges}


def _study(asked: Sweep, inputs: Inputs) -> optuna.Study:
    """Return the folder's study, new or continued.

    A trial that a kill left unfinished comes first.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    asked.folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=STUDY,
        storage=f"sqlite:///{asked.folder / 'study.db'}",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=1),
    )
    identity = digest([asked.identity, inputs.snapshot.snapshot_id])
    if study.user_attrs.setdefault("identity", identity) != identity:
        raise InputError(
            f"{asked.folder} holds a sweep of another preset, range or snapshot",
            fix="give another --output, or remove that folder",
        )
    study.set_user_attr("identity", identity)
    study.sampler = optuna.samplers.TPESampler(seed=asked.preset.training.seed + len(study.trials))
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def _run(study: optuna.Study, asked: Sweep, inputs: Inputs, data: Data, scratch: Path) -> None:
    """One trial.

    What interrupts it leaves it unfinished, so that the next sweep goes on with it.
    """
    trial = study.ask()
    try:
        study.tell(trial, _score(trial, asked, inputs, data, scratch))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except InputError:  # it would fail again
        study.tell(trial, state=TrialState.FAIL)
        raise


def _score(trial: Trial, asked: Sweep, inputs: Inputs, data: Data, scratch: Path) -> float:
    preset = varied(asked.preset, {each: _drawn(trial, each) for each in asked.ranges})
    policy, heard = preset.training, list[int]()

    def told(standing: Standing) -> None:
        trial.report(_best(standing, policy), standing.epoch)
        heard.append(standing.epoch)
        if not standing.over(policy) and trial.should_prune():
            raise optuna.TrialPruned

    context = Context(
        f"trial-{trial.number}",
        preset,
        open_store(str(asked.folder / "store")),
        scratch,
        ExecutorOutput(""),
    )
    key = key_of(inputs.snapshot.snapshot_id, preset, "sweep")
    try:
        learned = learn(context, data, key, told)
    except (Diverged, optuna.TrialPruned) as error:
        if not heard:
            trial.report(float("-inf"), 1)
        context.store.write(key, b"")
        raise optuna.TrialPruned from error
    context.store.write(key, b"")
    if not heard:  # a training that was whole before a kill: nothing was told this time
        told(learned.standing)
    return _best(learned.standing, policy)


def _best(standing: Standing, policy: TrainingPolicy) -> float:
    """Return the best held-out score so far, higher is better."""
    scores = standing.history[f"val_{policy.monitor}"]
    return max(scores) if policy.monitor == "accuracy" else -min(scores)


def _drawn(trial: Trial, each: Range) -> Value:
    if each.choices:
        chosen: Value = trial.suggest_categorical(each.name, each.choices)
        return chosen
    if each.whole:
        return trial.suggest_int(each.name, int(each.low), int(each.high), log=each.logarithmic)
    return trial.suggest_float(each.name, each.low, each.high, log=each.logarithmic)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [
        trial
        for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
        if trial.intermediate_values
    ]


def _csv(trials: Sequence[FrozenTrial], ranges: Sequence[Range]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["trial", "state", "held_out_score", "epochs", "seconds", *(each.name for each in ranges)]
    )
    for trial in trials:
        seconds = round(trial.duration.total_seconds(), 1) if trial.duration else ""
        values = [trial.params[each.name] for each in ranges]
        writer.writerow(
            [
                trial.number,
                trial.state.name.lower(),
                score_of(trial),
                max(trial.intermediate_values),
                seconds,
                *values,
            ]
        )
    return stream.getvalue()


def table(trials: Sequence[FrozenTrial], ranges: Sequence[Range]) -> str:
    """Return the trials for people, in the order in which they come."""
    rows = [["held-out score", "epochs", "", *(each.name for each in ranges)]]
    for trial in trials:
        values = [_short(trial.params[each.name]) for each in ranges]
        rows.append(
            [
                f"{score_of(trial):.4f}",
                str(max(trial.intermediate_values)),
                trial.state.name.lower(),
                *values,
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
