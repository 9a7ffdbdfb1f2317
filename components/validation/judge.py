"""Judge rows with Great Expectations, then labels with a small model.

A process of its own (``python -m components.validation.judge``): its imports take seconds, and run
beside those of TensorFlow Data Validation.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

from components.shared.artifacts import contract
from components.shared.artifacts.contract import Snapshot, write_atomically
from components.shared.preset import Preset
from components.shared.serialization import from_json, to_json
from components.validation.judge_process import DATA_DOCS, DOUBTFUL_LABELS, Judged
from components.validation.label_noise.judge import judge as judge_labels
from components.validation.rows.rules import judge_artifact
from components.validation.verdict import doubtful_labels_rule


def judge(examples: Path, preset: Preset, champion: Path | None, output: Path) -> Judged:
    """Everything that Great Expectations and the label-noise report say of an examples artifact.

    Args:
        champion: folder of the champion's artifact, if there is one.
        output: where `DATA_DOCS` and `DOUBTFUL_LABELS` go.

    Raises:
        ContractError: the artifact is incomplete or torn.
    """
    snapshot = contract.read_marker(examples, "examples", Snapshot)
    rules = judge_artifact(examples, snapshot, preset, output / DATA_DOCS)
    if not next(rule.passed for rule in rules if rule.name == "columns"):
        return Judged(rules)  # what the report would read may not be there
    labels, channels = preset.data.labels, preset.data.image.channels
    noise = judge_labels(examples, snapshot, labels, channels, champion, output / DOUBTFUL_LABELS)
    return Judged((*rules, doubtful_labels_rule(noise, preset.validation)), noise)


def main() -> int:
    """Judge an examples artifact and write what was found; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--preset", type=Path, required=True, help="file with the preset as JSON")
    parser.add_argument("--champion", type=Path, help="folder of the champion's artifact")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for the pages and the CSV of doubtful labels",
    )
    parser.add_argument(
        "--found", type=Path, required=True, help="file for what was judged, as JSON"
    )
    arguments = parser.parse_args()
    preset = from_json(Preset, arguments.preset.read_bytes(), "preset")
    found = judge(arguments.examples, preset, arguments.champion, arguments.output)
    write_atomically(arguments.found, to_json(found).encode())
    return 0


if __name__ == "__main__":
    warnings.simplefilter(
        "ignore"
    )  # Great Expectations' own imports warn of things that only its authors can change
    logging.disable(logging.WARNING)
    sys.exit(main())
