"""A small CNN must solve the synthetic faces, and a linear model on the same pixels must not.

    make bench NAME=synthetic_faces

Draws night 0 as `make run` does, takes it through the project's own steps (resolve, ingest,
resample, train, evaluate) with the default preset, and fits scikit-learn's logistic regression on
the same training pixels, its regularisation chosen on the same held-out rows. Both are scored on
the same test rows. The peer for the first bar is the majority class. About two minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OVER_MAJORITY, OVER_LINEAR = 0.40, 0.15  # points of accuracy, as shares
REGULARISATIONS = (1e-4, 1e-3)  # C; weaker ones only fit the training rows better and take minutes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--linear-model", type=Path, help=argparse.SUPPRESS
    )  # this file again, in the evaluation environment
    arguments = parser.parse_args()
    if arguments.linear_model:
        print(json.dumps(linear_model(arguments.linear_model)))
        return 0
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        scores, linear = measure(Path(scratch))
    return report(scores, linear)


def measure(scratch: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The CNN's scores (accuracy, majority_share) and the linear model's, on the test rows."""
    preset, store, examples = scratch / "preset.json", scratch / "store", scratch / "examples"
    imports = (
        "from components.shared.serialization import to_json; from pipelines.presets import"
        " PRESETS, DEFAULT"
    )
    write = f"{imports}; print(to_json(PRESETS[DEFAULT]))"
    preset.write_text(run("pipelines", "-c", write))
    run("ingestion", "-m", "pipelines.demo", "--output", str(scratch / "faces"), "--night", "0")
    frame = ("--store", str(store), "--run-id", "bench", "--preset", f"@{preset}")
    plan = scratch / "plan"
    source = (
        "--source",
        str(scratch / "faces"),
        "--code-version",
        "bench",
        "--plan-output",
        str(plan),
    )
    run("ingestion", "-m", "components.ingestion", "resolve", *frame, *source)
    digest = plan.read_text().strip()
    run(
        "ingestion",
        "-m",
        "components.ingestion",
        "ingest",
        *frame,
        "--plan",
        digest,
        "--examples",
        str(examples),
    )
    sampling, model, evaluation = scratch / "sampling", scratch / "model", scratch / "evaluation"
    run(
        "resampling",
        "-m",
        "components.resampling",
        "resample",
        *frame,
        "--examples",
        str(examples),
        "--sampling-plan",
        str(sampling),
    )
    inputs = (
        "--examples",
        str(examples),
        "--sampling-plan",
        str(sampling),
        "--code-version",
        "bench",
    )
    outputs = ("--model", str(model), "--metrics", str(scratch / "train-metrics.json"))
    run("training", "-m", "components.training", "train", *frame, *inputs, *outputs)
    judged = (
        "--plan",
        digest,
        "--examples",
        str(examples),
        "--model",
        str(model),
        "--evaluation",
        str(evaluation),
    )
    run(
        "evaluation",
        "-m",
        "components.evaluation",
        "evaluate",
        *frame,
        *judged,
        "--metrics",
        str(scratch / "metrics.json"),
    )
    scores = challenger(json.loads((evaluation / "metrics.json").read_text()))
    linear = json.loads(
        run("evaluation", str(Path(__file__).resolve()), "--linear-model", str(examples))
    )
    return scores, linear


def challenger(findings: dict[str, dict[str, float]]) -> dict[str, float]:
    """Accuracy, and the share of the majority class, out of the evaluation artifact."""
    return {name: findings["challenger"][name] for name in ("accuracy", "majority_share")}


def run(environment: str, *command: str) -> str:
    """Run Python in a component's environment; its standard output, or the end of this program."""
    python = ROOT / ".venvs" / environment / "bin" / "python"
    what = " ".join(command[1:3]) if command[0] == "-m" else environment
    began = time.monotonic()
    done = subprocess.run(
        [python, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    print(f"  {what:45} {time.monotonic() - began:6.1f} s", flush=True)
    return done.stdout


def linear_model(examples: Path) -> dict[str, float]:
    """Test accuracy of logistic regression on standardised pixels.

    Runs in the evaluation environment.
    """
    import warnings

    import numpy as np
    import pyarrow.parquet as pq
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from components.shared.images.decode import read_input
    from components.shared.preset import ImageSpec

    table = pq.read_table(
        sorted(examples.glob("images-*.parquet")), columns=["image", "label", "split"]
    )
    images = [
        read_input(image, ImageSpec(48, 48, 1)).ravel() for image in table["image"].to_pylist()
    ]
    pixels = np.stack(images).astype(np.float32) / 255
    labels, splits = np.array(table["label"].to_pylist()), np.array(table["split"].to_pylist())
    rows = {split: splits == split for split in ("train", "validation", "test")}
    fitted = []
    for regularisation in REGULARISATIONS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=200))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(pixels[rows["train"]], labels[rows["train"]])
        fitted.append((model.score(pixels[rows["validation"]], labels[rows["validation"]]), model))
    _, best = max(fitted, key=lambda pair: pair[0])
    return {split: float(best.score(pixels[where], labels[where])) for split, where in rows.items()}


def report(scores: dict[str, float], linear: dict[str, float]) -> int:
    """Print the table and the figures; 0 when every bar is met."""
    ours, majority = scores["accuracy"], scores["majority_share"]
    print(f"\n{'on the test split':45} accuracy")
    print(f"{'majority class':45} {majority:8.1%}")
    print(
        f"{'logistic regression on pixels':45} {linear['test']:8.1%}   ({linear['train']:.1%} on"
        " its training rows)"
    )
    print(f"{'small CNN':45} {ours:8.1%}\n")
    figures = [
        figure("accuracy of the CNN over the majority class", ours, majority, OVER_MAJORITY),
        figure("accuracy of the CNN over logistic regression", ours, linear["test"], OVER_LINEAR),
    ]
    for each in figures:
        print(
            f"{each['what']:45} {each['ours'] - each['peer']:+8.1%}   bar {each['bar']:+.0%}  "
            f" {'met' if each['met'] else 'MISSED'}"
        )
    print(json.dumps({"name": "synthetic_faces", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def figure(what: str, ours: float, peer: float, bar: float) -> dict[str, object]:
    """One claim; ``bar`` is the least difference of accuracies."""
    values = {"ours": round(ours, 4), "peer": round(peer, 4), "ratio": round(ours / peer, 3)}
    return {"what": what, **values, "bar": bar, "met": ours - peer >= bar}


if __name__ == "__main__":
    sys.exit(main())
