"""How many CPUs this process may use.

The affinity mask, and the limit that a container runtime sets.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def cpu_limit(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Whole CPUs, at least 1.

    The affinity mask, cut to the tightest ``cpu.max`` above this process.

    A limit of 1.5 CPUs gives 2: two threads that are throttled now and then answer sooner than one.
    Source of the format: Linux, Documentation/admin-guide/cgroup-v2.rst, "CPU Interface Files".
    """
    available = len(os.sched_getaffinity(0))
    limits = [limit for limit in map(_limit, _folders(cgroups, own)) if limit is not None]
    return max(1, min(available, math.ceil(min(limits, default=float(available)))))


def _folders(cgroups: Path, own: Path) -> list[Path]:
    """Return this process's cgroup and all above it.

    In a container the mount itself is its cgroup.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return [cgroups]
    path = next(
        (line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), ""
    )
    folder = cgroups / path
    return (
        [
            folder,
            *(
                parent
                for parent in folder.parents
                if parent == cgroups or cgroups in parent.parents
            ),
        ]
        if path
        else [cgroups]
    )


def _limit(folder: Path) -> float | None:
    """CPUs of a ``cpu.max`` file ("<quota or max> <period>", in microseconds).

    None without a limit.
    """
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
