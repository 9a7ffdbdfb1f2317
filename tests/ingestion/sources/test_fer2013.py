"""The facts of FER2013, found by other means, found again.

Skips where the archive isn't on this machine.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ingestion.support import bench

ARCHIVE = Path(
    os.environ.get(
        "EMOTION_FER2013", Path(__file__).parents[4] / "shared" / "data" / "fer2013" / "fer2013.zip"
    )
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not ARCHIVE.is_file(), reason="FER2013 isn't on this machine; EMOTION_FER2013 names it"
    ),
]


def test_the_facts_of_fer2013(tmp_path: Path) -> None:
    night = bench(tmp_path)
    assert night.ingest(ARCHIVE) == 0
    found = night.findings()
    assert (found["read"], found["accepted"], found["rejected"]) == (32_298, 32_298, 0)
    assert found["published_counts"] == {"train": 28_709, "test": 3_589}
    copies = found["duplicates"]
    assert copies["distinct_contents"] == 30_766
    assert (copies["training_surplus_rows"], copies["training_groups"]) == (1_236, 1_035)
    assert copies["test_rows_with_training_twin"] == 280
    assert copies["conflicting_groups"] == 47
    assert copies["near_constant_rows"] == 14
    assert 650 < copies["near_groups"] <= copies["near_contents"] < 1_000
    assert sum(found["counts"]["test"].values()) == 3_589, (
        "no published test row is dropped by default"
    )
