"""Read the examples artifact.

Projected columns in the order of its files, never all images at once.

Its files and columns stand in `components.shared.artifacts.contract`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.shared.artifacts.contract import Snapshot
from components.shared.errors import ContractError

BATCH_ROWS = 512


def read_columns(folder: Path, snapshot: Snapshot, columns: Sequence[str]) -> pa.Table:
    """Return columns of every row.

    Raises:
        ContractError: a file that the marker names is missing, torn or no Parquet, or lacks a
            column.
    """
    tables = list(read_shards(folder, snapshot, columns))
    return pa.concat_tables(tables) if tables else pa.table({name: pa.nulls(0) for name in columns})


def read_shards(
    folder: Path, snapshot: Snapshot, columns: Sequence[str], *, partial: bool = False
) -> Iterator[pa.Table]:
    """Yield columns of every row, a table per file. Raises ContractError as `read_columns` does.

    Args:
        partial: leave out columns that a file lacks instead of refusing it.
    """
    for name in snapshot.shards:
        path = folder / name
        with open_parquet(path) as file:
            known = [column for column in columns if column in file.schema_arrow.names]
            if not partial:
                _require(columns, known)
            try:
                table = file.read(known)
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(path, error, "ingest") from error
        yield table


def read_batches(
    folder: Path, snapshot: Snapshot, columns: Sequence[str], rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield columns of at most so many rows at a time.

    Raises ContractError as `read_columns` does.
    """
    for name in snapshot.shards:
        path = folder / name
        with open_parquet(path) as file:
            _require(columns, file.schema_arrow.names)
            try:
                yield from file.iter_batches(rows, columns=list(columns))
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(path, error, "ingest") from error


def open_parquet(path: Path, step: str = "ingest") -> pq.ParquetFile:
    """Open a Parquet file of an artifact.

    Args:
        step: that wrote it.

    Raises:
        ContractError: it is missing, torn or no Parquet.
    """
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error, step) from error


def _require(columns: Sequence[str], known: Sequence[str]) -> None:
    missing = [column for column in columns if column not in known]
    if missing:
        raise ContractError(
            f"the examples lack {', '.join(missing)}",
            expected=f"the columns {', '.join(columns)}",
            fix="run ingest again",
        )


def _unreadable(path: Path, error: Exception, step: str) -> ContractError:
    return ContractError(
        f"{path.name} can't be read ({error})",
        expected=f"a Parquet file in {path.parent}",
        fix=f"run {step} again",
    )
