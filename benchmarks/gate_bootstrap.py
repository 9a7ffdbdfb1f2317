"""10,000 paired bootstrap resamples of all figures on one core, and an evaluation without model inference.

    make bench NAME=gate_bootstrap

FER2013's shapes with drawn predictions: 3,589 rows and 7 classes, 200 of the rows copies of others.
The peer resamples rows with NumPy and asks scikit-learn for macro F1, log loss and accuracy of both
models, on 20 resamples, carried forward to 10,000: the way that a few lines of script would do it.
The second figure is 7,178 rows scored for three models with everything that the report shows:
metrics, curves, slices, changes and bootstrap, from predictions to findings. Seconds are of
processor time; half a minute in all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "evaluation" / "bin" / "python"
ROWS, CLASSES, RESAMPLES, COPIES, PEER_RESAMPLES, SCORED_ROWS = 3589, 7, 10_000, 200, 20, 7178
BOOTSTRAP_SECONDS, EVALUATION_SECONDS = 4.0, 15.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--inside", action="store_true", help=argparse.SUPPRESS
    )  # this file again, in the evaluation environment
    if not parser.parse_args().inside:
        one_core = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **one_core}
        return subprocess.run(
            [PYTHON, __file__, "--inside"], env=environment, check=False
        ).returncode
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    ours, peer, largest = bootstrap_seconds()
    whole = evaluation_seconds()
    rows = (
        (
            f"{RESAMPLES:,} resamples, {ROWS:,} rows, {CLASSES} classes, 2 models, 6 figures",
            f"{ours:8.2f} s   bar {BOOTSTRAP_SECONDS:g} s",
        ),
        (
            f"scikit-learn in a loop, 3 figures, carried forward from {PEER_RESAMPLES} resamples",
            f"{peer:8.1f} s",
        ),
        ("largest difference to scikit-learn on the same resamples", f"{largest:8.0e}"),
        (
            f"evaluation of {SCORED_ROWS:,} rows and 3 models without inference",
            f"{whole:8.2f} s   bar {EVALUATION_SECONDS:g} s",
        ),
    )
    for what, value in rows:
        print(f"{what:<80}{value}")
    figures = [
        figure(
            "seconds for 10,000 paired resamples of all figures on one core",
            ours,
            peer,
            BOOTSTRAP_SECONDS,
        ),
        figure("seconds to evaluate 7,178 rows without inference", whole, None, EVALUATION_SECONDS),
    ]
    print(json.dumps({"name": "gate_bootstrap", "figures": figures}))
    return 0 if all(each["met"] for each in figures) and largest < 1e-4 else 1


def drawn(rows: int, models: int) -> tuple[Any, list[Any], Any]:
    """Labels, probabilities of each model, and groups of copies."""
    import numpy as np

    rng = np.random.default_rng(7)
    labels = rng.integers(0, CLASSES, rows)
    tables = []
    for _ in range(models):
        logits = rng.normal(0, 1, (rows, CLASSES)) + 2 * np.eye(CLASSES)[labels]
        table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        tables.append(table.astype(np.float32))
    groups = np.arange(rows)
    groups[:COPIES] = groups[COPIES : 2 * COPIES]
    return labels, tables, groups


def bootstrap_seconds() -> tuple[float, float, float]:
    """Ours, the peer's, and the largest difference of a figure between the two on the same resamples."""
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    from components.evaluation.scoring import bootstrap

    labels, tables, groups = drawn(ROWS, 2)
    models = dict(zip(("challenger", "champion"), tables, strict=True))
    began = time.process_time()
    found = bootstrap.paired_bootstrap(labels, models, groups, RESAMPLES)
    ours = time.process_time() - began

    # The same weights, as repeated rows: groups stand in the order of their strata.
    stratum, members = bootstrap.by_group(labels, np.eye(ROWS), groups)
    weights = next(bootstrap.resampled(stratum, PEER_RESAMPLES, bootstrap.SEED)) @ members
    largest, began = 0.0, time.process_time()
    for place, weight in enumerate(weights.astype(np.int64)):
        rows = np.repeat(np.arange(ROWS), weight)
        for name, table in models.items():
            said, chosen = table[rows].astype(np.float64), labels[rows]
            said /= said.sum(axis=1, keepdims=True)
            answered = said.argmax(axis=1)
            theirs = {
                "accuracy": accuracy_score(chosen, answered),
                "macro_f1": f1_score(chosen, answered, average="macro"),
                "log_loss": log_loss(chosen, said, labels=np.arange(CLASSES)),
            }
            largest = max(
                largest,
                *(
                    abs(getattr(found[name], figure)[place] - value)
                    for figure, value in theirs.items()
                ),
            )
    return ours, (time.process_time() - began) / PEER_RESAMPLES * RESAMPLES, largest


def evaluation_seconds() -> float:
    """From the predictions of three models to scores, changes, curves and the bootstrap."""
    import numpy as np

    from components.evaluation.gate.case import Answers
    from components.evaluation.scoring import bootstrap, changes, metrics
    from components.evaluation.scoring.slices import slices

    names = [f"class {index}" for index in range(CLASSES)]
    labels, tables, groups = drawn(SCORED_ROWS, 3)
    rng = np.random.default_rng(3)
    features = {name: rng.uniform(0, 255, SCORED_ROWS) for name in ("brightness", "contrast")}
    twin = rng.random(SCORED_ROWS) < 0.08
    began = time.process_time()
    models = dict(zip(("challenger", "champion", "anchor"), tables, strict=True))
    answers = Answers(labels, groups, slices(features, list(features)), models)
    for table in tables:
        metrics.scores("v", names, labels, table, twin, twin)
    changes.class_changes(answers, names)
    changes.slice_changes(answers)
    changes.flips(answers, 24)
    bootstrap.paired_bootstrap(labels, models, groups, RESAMPLES)
    return time.process_time() - began


def figure(what: str, ours: float, peer: float | None, bar: float) -> dict[str, Any]:
    """One claim; ``bar`` is the most seconds."""
    ratio = round(ours / peer, 5) if peer else None
    return {
        "what": what,
        "ours": round(ours, 3),
        "peer": peer and round(peer, 1),
        "ratio": ratio,
        "bar": bar,
        "met": ours <= bar,
    }


if __name__ == "__main__":
    sys.exit(main())
