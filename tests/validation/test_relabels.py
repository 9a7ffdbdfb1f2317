"""What validate doubts goes back in by `emotion relabel`.

Its CSV is taken as it is, by the command that the CLI starts.
"""

import csv
import subprocess
from pathlib import Path

from components.shared.store import keys
from components.shared.store.interface import open_store
from components.validation.label_noise.judge import judge
from tests.artifacts import example_rows, write_examples
from tests.validation.data import LABELS

ROOT = Path(__file__).resolve().parents[2]


def test_the_doubtful_labels_are_taken_by_relabel(tmp_path: Path) -> None:
    rows = example_rows({"train": dict.fromkeys(LABELS, 40)}, LABELS)
    for row in rows[:2]:
        row["label"] = "sad"  # their stripes say angry
    snapshot = write_examples(tmp_path / "examples", rows, LABELS)
    store = open_store(str(tmp_path / "store"))
    store.put_tree(
        tmp_path / "examples", keys.snapshot("tests", snapshot.snapshot_id), "snapshot.json"
    )
    doubtful = tmp_path / "doubtful_labels.csv"
    assert judge(tmp_path / "examples", snapshot, LABELS, 1, None, doubtful) is not None

    ingestion = [ROOT / ".venvs" / "ingestion" / "bin" / "python", "-m", "components.ingestion"]
    command = [*ingestion, "relabel", doubtful, "--by", "anna", "--store", store.uri]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 new labels")
    kept = list(
        csv.DictReader(
            (store.read(keys.overlay("tests", "relabels.csv")) or b"").decode().splitlines()
        )
    )
    assert [(row["old_label"], row["label"], row["by"]) for row in kept] == [
        ("sad", "angry", "anna")
    ] * 2
    assert {row["example_id"] for row in kept} == {str(row["example_id"]) for row in rows[:2]}
    assert all(row["at"] for row in kept)
