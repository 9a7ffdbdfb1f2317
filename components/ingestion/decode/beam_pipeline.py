"""The Apache Beam pipeline: spans of rows to files of pictures.

What can be done row by row is done here.

    spans -> read, decode, measure -> a file of pictures and one of refusals each

Nothing but the numbers of spans crosses Beam: a file in the folder of parts says where their
contents stand. The runner is the local one with worker processes, or the one that the options name;
its workers must then reach the source and the folder. What is done sooner than processes are
started is read here, by the same function.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from components.ingestion.decode.image_files import read_span, write_part, write_spans
from components.ingestion.decode.images import read_pictures
from components.ingestion.decode.memory import be_frugal, give_back
from components.ingestion.decode.workers import WORKER_MODULE, attended
from components.ingestion.snapshot.schemas import cut
from components.ingestion.sources.layouts import layout
from components.ingestion.sources.layouts.columns import WHERE, whole
from components.ingestion.sources.layouts.layout import Reader, Reading
from components.ingestion.sources.storage.open import open_place
from components.ingestion.sources.storage.storage import Place
from components.shared import errors
from components.shared.errors import EmotionError, EnvironmentProblem
from components.shared.images.decode import MAX_BYTES
from components.shared.step.frame import Terminated

# Worker processes need 4 to 11 seconds to start on two cores; below this much reading one process
# is done sooner.
SECONDS_FOR_PROCESSES = 30.0
_SECONDS_PER_IMAGE = 2e-4
_SECONDS_PER_BYTE = 5e-8


@dataclass(frozen=True)
class Span:
    """Some rows that are read as one piece, by their places in the source, and the bytes that they hold."""

    number: int
    rows: npt.NDArray[np.int64]
    bytes: int


def plan_spans(rows: pa.Table, wanted: npt.NDArray[np.int64]) -> tuple[Span, ...]:
    """Return the wanted ones of a source's rows, in pieces."""
    sizes = rows["size"].to_numpy()[wanted]
    pieces = cut(sizes, layout.BATCH_ROWS, layout.BATCH_BYTES)
    return tuple(
        Span(number, wanted[start:end], int(sizes[start:end].sum()))
        for number, (start, end) in enumerate(pieces)
    )


def run_flow(
    spans: Sequence[Span],
    reading: Reading,
    place: Place,
    parts: str,
    *,
    processes: int = 1,
    options: Sequence[str] = (),
) -> None:
    """Read every span and write a part of each into the folder ``parts``, a path or a URI.

    Args:
        processes: worker processes; 1 reads in this one, without Beam.
        options: of Beam, ``--runner=`` and those of that runner; none: on this machine.

    Raises:
        EmotionError: what a worker raised, as its own type. EnvironmentProblem: no space left.
    """
    if not spans:
        return
    try:
        write_spans(parts, _known(spans, reading.rows))
        if processes == 1 and not options:
            for span in spans:
                read(span.number, reading.reader, place, parts)
            return
        give_back()
        with nullcontext() if options else attended():
            build(
                spans, reading.reader, place, parts, processes=processes, options=options
            ).run().wait_until_finish()
        give_back()
    except (RuntimeError, OSError) as error:
        raise _cause(error) from error


def read(number: int, reader: Reader, place: Place, parts: str) -> None:
    """Read the span of this number into a part."""
    rows = read_span(parts, number)
    write_part(parts, number, *read_pictures(reader.contents(place, rows, MAX_BYTES), rows))


def build(
    spans: Sequence[Span],
    reader: Reader,
    place: Place,
    parts: str,
    *,
    processes: int = 1,
    options: Sequence[str] = (),
) -> beam.Pipeline:
    """Return the Beam pipeline that `run_flow` runs."""
    if options:
        pipeline = beam.Pipeline(options=PipelineOptions(list(options), save_main_session=False))
    else:
        # The runner is named: `DirectRunner` would first try to download another one.
        runner = FnApiRunner(default_environment=_worker_processes())
        pipeline = beam.Pipeline(
            runner=runner, options=PipelineOptions([], direct_num_workers=processes)
        )
    _ = (
        pipeline
        | "spans" >> beam.Create([span.number for span in spans])
        | "read and decode" >> beam.ParDo(ReadSpan(place.uri, reader, parts))
    )
    return pipeline


class ReadSpan(beam.DoFn):
    """The number of a span to a part."""

    def __init__(self, uri: str, reader: Reader, parts: str) -> None:
        self.uri = uri
        self.reader = reader
        self.parts = parts
        self.place: Place | None = None

    def setup(self) -> None:
        """See `DoFn.setup`."""
        be_frugal()
        self.place = open_place(self.uri)

    def process(self, element: int) -> None:
        """See `DoFn.process`."""
        read(element, self.reader, self.place or open_place(self.uri), self.parts)
        give_back()


def processes_for(spans: Sequence[Span]) -> int:
    """How many worker processes are worth their start-up."""
    seconds = sum(
        len(span.rows) * _SECONDS_PER_IMAGE + span.bytes * _SECONDS_PER_BYTE for span in spans
    )
    return max(1, min(available_processes(), len(spans))) if seconds > SECONDS_FOR_PROCESSES else 1


def available_processes() -> int:
    """Cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else multiprocessing.cpu_count()
    )


def _known(spans: Sequence[Span], rows: pa.Table) -> Iterator[pa.Table]:
    """Of each span what its reading needs to know.

    ``row``, ``key``, and where the contents stand.
    """
    known = pa.table(
        {name: whole(rows[name]) for name in ("key", *WHERE.names)}
    )  # so that a word has one code in all spans
    for span in spans:
        numbers = pa.array(span.rows, pa.int64())
        yield known.take(numbers).append_column("row", numbers)


def _worker_processes() -> SubprocessSDKEnvironment:
    """As Beam's `multi_processing` mode, but its workers outlive a step that is killed.

    Ours don't.
    """
    # Beam warns that its own mode isn't chosen, and of options that this project doesn't use.
    for name in ("fn_api_runner.fn_runner", "local_job_service"):
        logging.getLogger(f"apache_beam.runners.portability.{name}").setLevel(logging.ERROR)
    command = [sys.executable, "-m", WORKER_MODULE, str(os.getpid())]
    # exec: the shell that Beam starts becomes the worker, so that Beam ends the worker and not its
    # shell.
    return SubprocessSDKEnvironment.from_command_string(f"exec {shlex.join(command)}")


def _cause(error: RuntimeError | OSError) -> BaseException:
    """Return what a worker raised: the runner passes on the text of its traceback only.

    A signal arrives that way, too.
    """
    text = str(error)
    for stop in (Terminated, KeyboardInterrupt):
        if re.search(rf"^(?:components\.runtime\.step\.)?{stop.__name__}\b", text, re.MULTILINE):
            return stop()
    found = re.search(
        r"^(?:components\.shared\.errors\.)(\w+): (.*?)(?: \[while running .*)?$",
        text,
        re.MULTILINE,
    )
    kind = getattr(errors, found[1], None) if found else None
    if found and isinstance(kind, type) and issubclass(kind, EmotionError):
        return kind(found[2])
    if re.search(r"\[Errno 28\]|No space left on device", text):
        return EnvironmentProblem(
            "no space left on the device", fix="free some space and run again with --resume"
        )
    return error
