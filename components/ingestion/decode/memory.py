"""Memory of a step that lives long and works in turns.

What one turn freed is the system's again before the next.
"""

from __future__ import annotations

import pyarrow as pa

_OWN = pa.default_memory_pool()


def be_frugal() -> None:
    """Have Arrow take its memory from the C library's allocator.

    Its own keeps most of what was freed.
    """
    give_back()
    pa.set_memory_pool(pa.system_memory_pool())


def be_quick() -> None:
    """Have Arrow keep what was freed.

    For work that takes the same blocks again and again, and little in all.
    """
    pa.set_memory_pool(_OWN)


def give_back() -> None:
    """Return what is free to the system, Python's own free memory too.

    Both use one allocator (`malloc_trim`).
    """
    pa.default_memory_pool().release_unused()
