"""Settling.

The order in which contents take precedence, and looking at pictures of the night before.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.ingestion.snapshot.groups import _ranks
from components.ingestion.snapshot.images import Collection
from components.ingestion.snapshot.near_duplicates import grid
from components.ingestion.snapshot.schemas import EXAMPLES, write_shard
from components.shared.artifacts.contract import EXAMPLE_COLUMNS
from components.shared.images.decode import decode
from tests.ingestion.support import face

IDS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(500)]


@pytest.mark.parametrize(
    "ids",
    [IDS, IDS + [IDS[7][:16] + other[16:] for other in IDS[:3]]],
    ids=["distinct heads", "equal heads"],
)
@pytest.mark.parametrize("first", [0, 3])
def test_contents_are_ordered_by_id(ids: list[str], first: int) -> None:
    ids = ids[first:] + ids[5:50]
    ascending = sorted(set(ids))
    assert _ranks(pa.array(["another", *ids], pa.string()).slice(1)).tolist() == [
        ascending.index(each) for each in ids
    ]


def test_an_earlier_file_is_read_from_its_start_to_its_end_for_many_grids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {name: ["" if kind == "string" else 0] * 12 for name, kind in EXAMPLE_COLUMNS.items()}
    rows |= {
        "image": [face("happy", number) for number in range(12)],
        "label_distribution": [[]] * 12,
    }
    table = pa.table(rows, schema=EXAMPLES)
    write_shard(tmp_path / "images.parquet", [table.slice(start, 4) for start in range(0, 12, 4)])
    collection = Collection([tmp_path / "images.parquet"], [])
    read: list[int] = []
    monkeypatch.setattr(
        collection, "_read", lambda number: read.append(number) or collection._read_group(number)
    )
    scattered = np.array([8, 0, 5, 11, 1, 4])
    collection.look_at(scattered)
    assert sorted(read) == read, "in the order of the file"
    read.clear()
    found = np.stack([collection.grid(number) for number in scattered.tolist()])
    assert not read, "all at hand"
    assert (
        found == np.stack([grid(decode(rows["image"][number]).pixels) for number in scattered])
    ).all()
