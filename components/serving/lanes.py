"""Threads that answer images, so that the event loop only speaks HTTP.

A lane is a thread with a runtime of its own. While many ask, each lane computes on its share of the CPUs and
none waits for another; a request that is alone gets one runtime with all CPUs. Requests with several images
take turns image by image, so a large one delays a small one by little.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence

from components.inference.cpus import cpu_limit
from components.serving.classifier import Answer, Classifier, Sent

MAX_LANES = 4
MAX_WAITING = 512


class TooBusyError(Exception):
    """So many requests wait that another would only wait in vain."""


class _Job:
    """A request's images. One lane at a time takes the next image; the last to finish wakes the request."""

    def __init__(self, images: Sequence[Sent]) -> None:
        self.images = images
        self.answers: list[Answer | None] = [None] * len(images)
        self.taken = 0
        self.left = len(images)
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()


class Lanes:
    """Answers images on threads.

    Args:
        classifier: whose runtime serves requests that are alone. cpus: to share; None takes those that this process may use.
        max_waiting: requests beyond which more are turned away.
    """

    def __init__(self, classifier: Classifier, cpus: int | None = None, max_waiting: int = MAX_WAITING) -> None:
        cpus = cpus or cpu_limit()
        lanes = min(cpus, MAX_LANES)
        self._alone = classifier
        self._max_waiting = max_waiting
        self._requests = 0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._finishing = threading.Lock()
        own = [classifier] if lanes == 1 else [classifier.twin(cpus // lanes) for _ in range(lanes)]
        self._threads = [threading.Thread(target=self._work, args=(each,), name="lane", daemon=True) for each in own]
        for thread in self._threads:
            thread.start()

    async def classify(self, images: Sequence[Sent]) -> list[Answer]:
        """One answer per image. Raises TooBusyError at once when too many requests wait."""
        if self._requests >= self._max_waiting:
            raise TooBusyError(f"{self._requests} requests wait")
        if not images:
            return []
        self._requests += 1
        try:
            job = _Job(images)
            self._jobs.put(job)
            await job.done
        finally:
            self._requests -= 1
        return [answer for answer in job.answers if answer is not None]

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self, classifier: Classifier) -> None:
        while (job := self._jobs.get()) is not None:
            if job.done.cancelled():  # who asked has gone
                continue
            index = job.taken
            job.taken += 1
            if job.taken < len(job.images):
                self._jobs.put(job)
            failure: Exception | None = None
            try:
                who = self._alone if self._requests == 1 and len(job.images) == 1 else classifier
                job.answers[index] = who.answer(job.images[index])
            except Exception as error:  # noqa: BLE001 - handed to who asked; the lane goes on
                failure = error
            with self._finishing:
                job.left -= 1
                last = job.left == 0
            if last or failure:
                job.loop.call_soon_threadsafe(_wake, job.done, failure)


def _wake(done: asyncio.Future[None], failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
