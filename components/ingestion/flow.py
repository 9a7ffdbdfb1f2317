"""The Apache Beam pipeline: read and decode batches, settle the splits by content, write the shards.

Nothing but numbers crosses a shuffle: Beam's local runner keeps what does in memory. The rows go through
part files on the disk that the artifact will stand on.

    batches -> read, decode, write a part -> all of them -> settle, write decisions -> by shard -> write a shard
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from components.contracts import errors
from components.contracts.errors import EmotionError, EnvironmentProblem
from components.ingestion.attendance import WORKER_MODULE, attended
from components.ingestion.earlier import EarlierRows, EarlierSnapshot
from components.ingestion.overlays import Overlays
from components.ingestion.settling import decisions, settle
from components.ingestion.sources.layouts import Batch
from components.ingestion.sources.opening import open_place
from components.ingestion.sources.places import Place
from components.ingestion.splits import SplitRules
from components.ingestion.tables import DECODED, read_arrow, read_batch, write_part, write_shard
from components.runtime.step import Terminated

SHARD_ROWS = 20_000
SHARD_BYTES = 256_000_000
# Worker processes need 4 to 11 seconds to start on two cores; below this much reading one process is done sooner.
SECONDS_FOR_PROCESSES = 30.0
_SECONDS_PER_IMAGE = 2e-4
_SECONDS_PER_BYTE = 5e-8


@dataclass(frozen=True)
class Shard:
    """A file of the artifact: its name, and the consecutive parts that it joins."""

    name: str
    parts: tuple[int, ...]


def run_flow(
    batches: Sequence[Batch], place: Place, rules: SplitRules, parts: Path, target: Path, *, processes: int,
    earlier: EarlierSnapshot | None = None, overlays: Overlays | None = None,
) -> tuple[Shard, ...]:  # fmt: skip
    """Read every batch and write the shards into ``target``; ``parts`` is for the part files.

    Args:
        processes: worker processes; 1 reads in this one.
        earlier: the snapshot whose rows are taken instead of decoding unchanged objects.

    Raises:
        EmotionError: what a worker raised, as its own type. EnvironmentProblem: no space left.
    """
    shards = plan_shards(batches)
    # The runner is named: `DirectRunner` would first try to download another one.
    runner = FnApiRunner(default_environment=_worker_processes() if processes > 1 else None)
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions([], direct_num_workers=processes))
    _ = (
        pipeline
        | "batches" >> beam.Create(list(enumerate(batches)), reshuffle=processes > 1)
        | "read and decode" >> beam.ParDo(ReadBatch(place.uri, parts, earlier, overlays)).with_output_types(tuple[int, int])
        | "all of them" >> beam.GroupByKey()
        | "settle" >> beam.ParDo(Settle(shards, parts, rules, earlier)).with_output_types(tuple[int, int])
        | "by shard" >> beam.GroupByKey()
        | "write shards" >> beam.ParDo(WriteShard(shards, parts, target))
    )
    try:
        with attended() if processes > 1 else nullcontext():
            pipeline.run().wait_until_finish()
    except RuntimeError as error:
        raise _cause(error) from error
    return shards


class ReadBatch(beam.DoFn):
    """(number, batch) to a part file, and (0, number)."""

    def __init__(self, uri: str, parts: Path, earlier: EarlierSnapshot | None, overlays: Overlays | None) -> None:
        self.uri = uri
        self.parts = parts
        self.earlier = earlier
        self.overlays = overlays
        self.place: Place | None = None
        self.rows: EarlierRows | None = None

    def setup(self) -> None:
        self.place = open_place(self.uri)
        self.rows = EarlierRows(self.earlier, DECODED.names)

    def process(self, element: tuple[int, Batch]) -> Iterator[tuple[int, int]]:
        number, batch = element
        write_part(self.parts, number, read_batch(batch, self.place or open_place(self.uri), self.rows, self.overlays))
        yield 0, number


class Settle(beam.DoFn):
    """(0, numbers of all parts) to a file of decisions per shard, and (shard, shard)."""

    def __init__(self, shards: Sequence[Shard], parts: Path, rules: SplitRules, earlier: EarlierSnapshot | None) -> None:
        self.shards = list(shards)
        self.parts = parts
        self.rules = rules
        self.earlier = earlier

    def process(self, element: tuple[int, Iterable[int]]) -> Iterator[tuple[int, int]]:
        settle(self.parts, [shard.parts for shard in self.shards], self.rules, self.earlier)
        for number in range(len(self.shards)):
            yield number, number


class WriteShard(beam.DoFn):
    """(shard, ...) to a file."""

    def __init__(self, shards: Sequence[Shard], parts: Path, target: Path) -> None:
        self.shards = list(shards)
        self.parts = parts
        self.target = target

    def process(self, element: tuple[int, Iterable[int]]) -> None:
        number, _ = element
        shard = self.shards[number]
        write_shard(self.target / shard.name, self.parts, shard.parts, read_arrow(decisions(self.parts, number)))


def plan_shards(batches: Sequence[Batch]) -> tuple[Shard, ...]:
    """Consecutive batches to files of at most `SHARD_ROWS` rows and about `SHARD_BYTES`."""
    groups: list[list[int]] = []
    rows = size = 0
    for number, batch in enumerate(batches):
        if not groups or rows + batch.rows > SHARD_ROWS or size + batch.bytes > SHARD_BYTES:
            groups.append([])
            rows = size = 0
        groups[-1].append(number)
        rows, size = rows + batch.rows, size + batch.bytes
    return tuple(Shard(f"images-{index:05}-of-{len(groups):05}.parquet", tuple(parts)) for index, parts in enumerate(groups))


def processes_for(batches: Sequence[Batch]) -> int:
    """How many worker processes are worth their start-up."""
    seconds = sum(batch.rows * _SECONDS_PER_IMAGE + batch.bytes * _SECONDS_PER_BYTE for batch in batches)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else multiprocessing.cpu_count()
    return min(available, len(batches)) if seconds > SECONDS_FOR_PROCESSES else 1


def _worker_processes() -> SubprocessSDKEnvironment:
    """As Beam's `multi_processing` mode, but its workers outlive a step that is killed: ours don't."""
    # Beam warns that its own mode isn't chosen, and of options that this project doesn't use.
    for name in ("fn_api_runner.fn_runner", "local_job_service"):
        logging.getLogger(f"apache_beam.runners.portability.{name}").setLevel(logging.ERROR)
    command = [sys.executable, "-m", WORKER_MODULE, str(os.getpid())]
    # exec: the shell that Beam starts becomes the worker, so that Beam ends the worker and not its shell.
    return SubprocessSDKEnvironment.from_command_string(f"exec {shlex.join(command)}")


def _cause(error: RuntimeError) -> BaseException:
    """What a worker raised: the runner passes on the text of its traceback only. A signal arrives that way, too."""
    text = str(error)
    for stop in (Terminated, KeyboardInterrupt):
        if re.search(rf"^(?:components\.runtime\.step\.)?{stop.__name__}\b", text, re.MULTILINE):
            return stop()
    found = re.search(r"^(?:components\.contracts\.errors\.)(\w+): (.*?)(?: \[while running .*)?$", text, re.MULTILINE)
    kind = getattr(errors, found[1], None) if found else None
    if found and isinstance(kind, type) and issubclass(kind, EmotionError):
        return kind(found[2])
    if re.search(r"\[Errno 28\]|No space left on device", text):
        return EnvironmentProblem("no space left on the device", fix="free some space and run again with --resume")
    return error
