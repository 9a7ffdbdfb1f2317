"""Threads that answer images, so that the event loop only speaks HTTP.

A lane is a thread with a runtime of its own. While many ask, each lane computes on its share of the
CPUs and none waits for another; a request that is alone gets one runtime with all CPUs. Requests
with several images take turns image by image, so a large one delays a small one by little.

When more wait than the lanes can take, a lane takes a few images at once, as many as it answers in
40 ms: it decodes them one after the other, while the decoder is in the CPU's cache, which the model
empties, runs the model once, and wakes the event loop once for all of them. On a small model that
is a fifth of the CPU per request: each run of the model lets go of Python's lock and then waits for
it among all threads.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from components.serving.photos.photos import Answering
from components.serving.predictor.classifier import Answer, Sent
from components.shared.images.decode import ImageRefused
from components.shared.inference.cpus import cpu_limit

MAX_LANES = 4
MAX_WAITING = 512
MAX_AT_ONCE = 8
AT_ONCE_SECONDS = 0.04


class TooBusyError(Exception):
    """So many requests wait that another would only wait in vain."""


class _Job:
    """A request's images. One lane at a time takes the next image.

    The last to finish wakes the request.
    """

    def __init__(self, images: Sequence[Sent]) -> None:
        self.images = images
        self.answers: list[Answer | None] = [None] * len(images)
        self.taken = 0
        self.left = len(images)
        self.failure: Exception | None = None
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()


class Lanes:
    """Answers images on threads, for one event loop.

    Args:
        classifier: whose runtime serves requests that are alone. cpus: to share; None takes those
            that this process may use.
        max_waiting: requests beyond which more are turned away.
    """

    def __init__(
        self, classifier: Answering, cpus: int | None = None, max_waiting: int = MAX_WAITING
    ) -> None:
        cpus = cpus or cpu_limit()
        self._lanes = min(cpus, MAX_LANES)
        self._alone = classifier
        self._max_waiting = max_waiting
        self._requests = 0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._finishing = threading.Lock()
        own: list[Answering] = (
            [classifier]
            if self._lanes == 1
            else [classifier.twin(cpus // self._lanes) for _ in range(self._lanes)]
        )
        self._threads = [
            threading.Thread(target=self._work, args=(each,), name="lane", daemon=True)
            for each in own
        ]
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

    def _work(self, classifier: Answering) -> None:
        """Take images, answer them, wake who asked: the work of one thread."""
        seconds = AT_ONCE_SECONDS  # what an image took the last time
        while (first := self._jobs.get()) is not None:
            turns = [turn for job in self._take(first, seconds) if (turn := self._turn(job))]
            if not turns:
                continue
            who = self._alone if self._requests == 1 and len(first.images) == 1 else classifier
            began = time.perf_counter()
            found = _answers(who, [job.images[index] for job, index in turns])
            seconds = (time.perf_counter() - began) / len(turns)
            finished = [
                job
                for (job, index), answer in zip(turns, found, strict=True)
                if self._finish(job, index, answer)
            ]
            if finished:
                finished[0].loop.call_soon_threadsafe(_wake, finished)

    def _take(self, first: _Job, seconds: float) -> list[_Job]:
        """Return the job, and this lane's share of those that wait, as far as it answers them soon."""
        jobs = [first]
        for _ in range(
            min(MAX_AT_ONCE, int(AT_ONCE_SECONDS / seconds), self._jobs.qsize() // self._lanes) - 1
        ):
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _turn(self, job: _Job) -> tuple[_Job, int] | None:
        """Return the job's next image; the job itself goes to the end of the line if it has more.

        None when who asked has gone.
        """
        if job.done.cancelled():
            return None
        index = job.taken
        job.taken += 1
        if job.taken < len(job.images):
            self._jobs.put(job)
        return job, index

    def _finish(self, job: _Job, index: int, answer: Any) -> bool:
        """Keep an answer, or why there is none; whether it was the job's last."""
        with self._finishing:
            if _failed(answer):
                job.failure = answer
            else:
                job.answers[index] = answer
            job.left -= 1
            return job.left == 0


def _answers(who: Answering, images: Sequence[Sent]) -> list[Any]:
    """Return the answer of each, or what was raised."""
    found = [_attempt(who.read, image) for image in images]
    sound = [place for place, each in enumerate(found) if not _failed(each)]
    read = [found[place] for place in sound]
    together = _attempt(who.answers, read)
    for place, answer in zip(
        sound,
        [_attempt(who.answer, each) for each in read] if _failed(together) else together,
        strict=True,
    ):
        found[place] = answer
    return found


def _attempt(act: Callable[[Any], Any], image: Any) -> Any:
    """Return what ``act`` makes of the image, or what it raised.

    One image's trouble is none of its neighbours'.
    """
    try:
        return act(image)
    except Exception as error:  # noqa: BLE001 - handed to who asked; the lane goes on
        return error


def _failed(found: object) -> bool:
    return isinstance(found, Exception) and not isinstance(found, ImageRefused)


def _wake(finished: Sequence[_Job]) -> None:
    for job in finished:
        if job.done.done():
            continue
        if job.failure is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(job.failure)
