"""Files of pictures on their way from the workers.

A span of rows each, in a folder on a disk or at a URI that Beam knows.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from components.ingestion.snapshot.schemas import read_arrow, write_arrow

_SPANS, _REFUSED, _ACCEPTED = "spans.arrow", "refused-{:06}.arrow", "accepted-{:06}.arrow"


def write_spans(folder: str, spans: Iterable[pa.Table]) -> None:
    """Write the rows of spans, a record batch each, for those who read them."""
    with FileSystems.create(FileSystems.join(folder, _SPANS)) as sink:
        writer = None
        for rows in spans:
            writer = writer or pa.ipc.new_file(sink, rows.schema)
            writer.write_table(rows)
        if writer is not None:
            writer.close()


def read_span(folder: str, number: int) -> pa.Table:
    """Return the rows of one of them."""
    with (
        FileSystems.open(FileSystems.join(folder, _SPANS)) as source,
        pa.ipc.open_file(source) as reader,
    ):
        return pa.Table.from_batches([reader.get_batch(number)])


def write_part(folder: str, number: int, accepted: pa.Table, refused: pa.Table) -> None:
    """Write what a span became, the accepted rows last: their file says that the span is done."""
    for name, table in ((_REFUSED.format(number), refused), (_ACCEPTED.format(number), accepted)):
        if "://" in folder:
            # A span may be read twice. An object is seen whole or not at all, and both are the
            # same.
            with (
                FileSystems.create(f"{folder}/{name}") as sink,
                pa.ipc.new_file(sink, table.schema) as writer,
            ):
                writer.write_table(table)
        else:
            write_arrow(Path(folder) / name, table)


@contextmanager
def shared_folder(where: str) -> Iterator[str]:
    """Make a new, empty folder at a path or a URI, and remove it afterwards."""
    folder = FileSystems.join(where, f"emotion-ingest-{uuid.uuid4().hex}")
    FileSystems.mkdirs(folder)
    try:
        yield folder
    finally:
        with suppress(BeamIOError):  # a bucket has no empty folders
            FileSystems.delete([folder])


def bring_home(folder: str, home: Path, count: int) -> None:
    """Copy the parts from a path or a URI into a folder on this disk."""
    for number in range(count):
        for name in (_REFUSED.format(number), _ACCEPTED.format(number)):
            with (
                FileSystems.open(FileSystems.join(folder, name)) as source,
                open(home / name, "wb") as sink,
            ):
                shutil.copyfileobj(source, sink)


def read_parts(folder: Path, count: int) -> tuple[list[pa.Table], pa.Table]:
    """Return the pictures, mapped from the disk, a table per span; and what was refused, in one."""
    refused = (
        pa.concat_tables([read_arrow(folder / _REFUSED.format(number)) for number in range(count)])
        if count
        else None
    )
    return [read_arrow(folder / _ACCEPTED.format(number)) for number in range(count)], refused


def done(folder: Path) -> list[int]:
    """Numbers of the spans that are read."""
    return [
        int(path.stem.rpartition("-")[2]) for path in folder.glob(_ACCEPTED.replace("{:06}", "*"))
    ]
