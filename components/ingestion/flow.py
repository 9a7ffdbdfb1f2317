"""The Apache Beam pipeline: read and decode batches, settle the splits by content, write the shards.

Only hashes and indices cross a shuffle: Beam's local runner keeps what does in memory. The pictures go
through part files on the disk that the artifact will stand on.

    batches -> read, decode, write a part -> (group, row) -> settle -> (shard, decision) -> write a shard
"""

from __future__ import annotations

import bisect
import logging
import multiprocessing
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from components.contracts import errors
from components.contracts.errors import EmotionError, EnvironmentProblem
from components.ingestion.attendance import WORKER_MODULE, attended
from components.ingestion.sources.layouts import Batch
from components.ingestion.sources.opening import open_place
from components.ingestion.sources.places import Place
from components.ingestion.splits import SplitRules, settle
from components.ingestion.tables import read_batch, write_part, write_shard
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


def run_flow(batches: Sequence[Batch], place: Place, rules: SplitRules, parts: Path, target: Path, *, processes: int) -> tuple[Shard, ...]:
    """Read every batch and write the shards into ``target``; ``parts`` is for the part files.

    Args:
        processes: worker processes; 1 reads in this one.

    Raises:
        EmotionError: what a worker raised, as its own type. EnvironmentProblem: no space left.
    """
    shards = plan_shards(batches)
    starts = [batches[shard.parts[0]].first for shard in shards]
    # The runner is named: `DirectRunner` would first try to download another one.
    runner = FnApiRunner(default_environment=_worker_processes() if processes > 1 else None)
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions([], direct_num_workers=processes))
    decisions = (
        pipeline
        | "batches" >> beam.Create(list(enumerate(batches)), reshuffle=processes > 1)
        | "read and decode" >> beam.ParDo(ReadBatch(place.uri, str(parts))).with_output_types(tuple[str, tuple[int, str]])
        | "by content" >> beam.GroupByKey()
        | "settle splits" >> beam.ParDo(Settle(rules, starts)).with_output_types(tuple[int, tuple[int, str, str]])
    )
    # A shard without accepted rows is written too: the names of the files are fixed by now.
    numbers = pipeline | "shards" >> beam.Create([(number, number) for number in range(len(shards))], reshuffle=False)
    joined = {"decisions": decisions, "shard": numbers} | "by shard" >> beam.CoGroupByKey()
    _ = joined | "write shards" >> beam.ParDo(WriteShard(shards, str(parts), str(target)))
    try:
        with attended() if processes > 1 else nullcontext():
            pipeline.run().wait_until_finish()
    except RuntimeError as error:
        raise _cause(error) from error
    return shards


class ReadBatch(beam.DoFn):
    """(number, batch) to a part file, and (group, (row, published split)) of every accepted row."""

    def __init__(self, uri: str, parts: str) -> None:
        self.uri = uri
        self.parts = parts
        self.place: Place | None = None

    def setup(self) -> None:
        self.place = open_place(self.uri)

    def process(self, element: tuple[int, Batch]) -> Iterator[tuple[str, tuple[int, str]]]:
        number, batch = element
        result = read_batch(batch, self.place or open_place(self.uri))
        write_part(Path(self.parts), number, result)
        yield from result.members


class Settle(beam.DoFn):
    """(group, its rows) to (shard, (row, split, note))."""

    def __init__(self, rules: SplitRules, starts: Sequence[int]) -> None:
        self.rules = rules
        self.starts = list(starts)

    def process(self, element: tuple[str, Iterable[tuple[int, str]]]) -> Iterator[tuple[int, tuple[int, str, str]]]:
        group, members = element
        rows = sorted(members)
        for (row, _), (split, note) in zip(rows, settle(group, [published for _, published in rows], self.rules), strict=True):
            yield bisect.bisect_right(self.starts, row) - 1, (row, split, note)


class WriteShard(beam.DoFn):
    """(shard, its decisions) to a file."""

    def __init__(self, shards: Sequence[Shard], parts: str, target: str) -> None:
        self.shards = list(shards)
        self.parts = parts
        self.target = target

    def process(self, element: tuple[int, Mapping[str, Iterable[Any]]]) -> None:
        number, joined = element
        shard = self.shards[number]
        decisions = {row: (split, note) for row, split, note in joined["decisions"]}
        write_shard(Path(self.target) / shard.name, Path(self.parts), shard.parts, decisions)


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
