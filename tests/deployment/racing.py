"""Many processes change one registry at once, while another reads it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

from components.deployment.registry.registry import Registry
from components.shared.errors import EmotionError
from components.shared.store.interface import open_store


def race(act: Callable[[int], None], uri: str, count: int) -> list[str]:
    """Run ``act(index)`` in ``count`` processes at once; while they work, read the registry.

    Returns what each said, in order.
    """
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    barrier = context.Barrier(count)

    def work(index: int) -> None:
        barrier.wait(150)
        try:
            act(index)
            told.put((index, "done"))
        except EmotionError as error:
            told.put((index, str(error)))

    processes = [context.Process(target=work, args=(index,)) for index in range(count)]
    for process in processes:
        process.start()
    registry, looks = Registry(open_store(uri), "small"), 0
    end = time.monotonic() + 200
    while any(process.is_alive() for process in processes) and time.monotonic() < end:
        torn = {version for version in named(registry) if not registry.has(version)}
        # What was replaced meanwhile may be gone; what is named still may not.
        assert not torn & named(registry), "a pointer names a version that isn't whole"
        looks += 1
        time.sleep(0.01)
    answers = dict(told.get(timeout=30) for _ in processes)
    for process in processes:
        process.join(30)
    assert looks > 0
    return [answers[index] for index in range(count)]


def named(registry: Registry) -> set[str]:
    """The versions that pointers name now."""
    now = registry.pointers()
    return {
        pointer.version
        for pointer in (now.champion, now.previous, now.anchor)
        if pointer is not None
    }
