"""The limits of the predictor's container, put on a server that runs as a process without one.

CPUs are the affinity mask, which `components.shared.inference.cpus` reads as it reads a container's
quota. Memory is RLIMIT_DATA of setrlimit(2), private writable mappings: what a container can't give
back when it has too little. Like a container's own limit it needs no rights, and is a little
stricter. Megabytes of a server on one CPU, ready, and after requests to a model file of 57 MB:

                                                      ready    after
    private memory that it holds (RssAnon)               96      166
    private writable mappings (VmData, RLIMIT_DATA)     148      218
    all memory that it holds, mapped files too (VmRSS)  158      284
    all mappings (VmSize, RLIMIT_AS)                    477      544

RLIMIT_AS counts libraries and the model's file, which aren't in memory for being mapped, and would
need three times the limit.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What Python, C++, the C library, its loader, OpenBLAS and LiteRT say when they get no memory.
STARVED = (
    "MemoryError",
    "bad_alloc",
    "annot allocate memory",
    "emory allocation",
    "pthread_create failed",
    "can't start new thread",
    "failed to create XNNPACK runtime",
)


@dataclass
class Memory:
    """A process's memory, in bytes, as it was at the last look (proc(5)).

    Attributes:
        limit: what it may have; 0 for as much as there is. taken: what the limit counts, the most
            of all looks (VmData).
        resident: what it held (VmRSS). peak: the most that it ever held (VmHWM).
    """

    limit: int = 0
    taken: int = 0
    resident: int = 0
    peak: int = 0

    def look(self, process: int) -> None:
        """Look at a process by its id; one that has ended changes nothing."""
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:
            return
        found = {
            name: int(value.split()[0]) * 1024
            for name, _, value in (line.partition(":") for line in lines)
            if name.startswith("Vm")
        }
        if found:  # an ended process that nobody has waited for has no memory
            self.taken = max(self.taken, found["VmData"])
            self.resident, self.peak = found["VmRSS"], found["VmHWM"]


@contextmanager
def few_cpus(cpus: float) -> Iterator[None]:
    """Give a process that this thread starts meanwhile so many CPUs, rounded up.

    The same ones each time in one process.

    Which ones follows from the process's id, so that two checks on one machine seldom share theirs.
    """
    own = os.sched_getaffinity(0)
    first = os.getpid() % len(own)
    os.sched_setaffinity(0, (sorted(own) * 2)[first : first + min(math.ceil(cpus), len(own))])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def limit_memory(process: int, limit: int) -> None:
    """From now on a process gets no more memory than ``limit`` bytes."""
    resource.prlimit(process, resource.RLIMIT_DATA, (limit, limit))


def starved(log: str) -> bool:
    """Whether a server's log says that it got no more memory."""
    return any(sign in log for sign in STARVED)
