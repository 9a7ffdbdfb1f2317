"""The reader of the examples artifact.

What it reads, how much of it at once, and what it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.shared.artifacts import examples
from components.shared.artifacts.contract import EXAMPLES_VERSION, Snapshot
from components.shared.errors import ContractError

ROWS = 700
SHARDS = ("images-00000-of-00002.parquet", "images-00001-of-00002.parquet")
READERS: list[Callable[[Path, Snapshot], object]] = [
    lambda folder, marker: examples.read_columns(folder, marker, ("example_id", "label")),
    lambda folder, marker: list(examples.read_shards(folder, marker, ("example_id", "label"))),
    lambda folder, marker: list(examples.read_batches(folder, marker, ("example_id", "label"))),
]


@pytest.fixture
def marker(tmp_path: Path) -> Snapshot:
    """The marker of an artifact in ``tmp_path``: two files of 700 rows."""
    for number, name in enumerate(SHARDS):
        ids = [f"{number}-{row}" for row in range(ROWS)]
        columns = {"example_id": ids, "label": ["happy"] * ROWS, "image": [b"x" * 10] * ROWS}
        pq.write_table(pa.table(columns), tmp_path / name, row_group_size=300)
    return Snapshot(EXAMPLES_VERSION, "s", "tests", ("happy",), {}, 2 * ROWS, 0, SHARDS)


def test_rows_come_in_the_order_of_the_files(tmp_path: Path, marker: Snapshot) -> None:
    table = examples.read_columns(tmp_path, marker, ("label", "example_id"))
    assert table.column_names == ["label", "example_id"]
    ids = [f"{number}-{row}" for number in range(2) for row in range(ROWS)]
    assert table["example_id"].to_pylist() == ids
    batches = list(examples.read_batches(tmp_path, marker, ("example_id", "image")))
    assert [each for batch in batches for each in batch["example_id"].to_pylist()] == ids
    assert max(map(len, batches)) <= examples.BATCH_ROWS


def test_no_files_are_no_rows(tmp_path: Path) -> None:
    marker = Snapshot(EXAMPLES_VERSION, "s", "tests", ("happy",), {}, 0, 0, ())
    assert examples.read_columns(tmp_path, marker, ("label",)).num_rows == 0


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", ["missing", "torn", "no Parquet"])
def test_a_damaged_file_is_one_clear_error(
    tmp_path: Path, marker: Snapshot, reader: Callable[[Path, Snapshot], object], damage: str
) -> None:
    path = tmp_path / SHARDS[1]
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "torn" else b"no Parquet")
    with pytest.raises(ContractError, match=rf"{path.name} can't be read .*run ingest again"):
        reader(tmp_path, marker)


@pytest.mark.parametrize("reader", READERS)
def test_a_column_that_isnt_there_is_named(
    tmp_path: Path, marker: Snapshot, reader: Callable[[Path, Snapshot], object]
) -> None:
    path = tmp_path / SHARDS[0]
    pq.write_table(pq.read_table(path).drop(["label"]), path)
    with pytest.raises(ContractError, match="the examples lack label; expected the columns"):
        reader(tmp_path, marker)
    first, _ = examples.read_shards(tmp_path, marker, ("example_id", "label"), partial=True)
    assert first.column_names == ["example_id"]
