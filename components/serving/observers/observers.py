"""Who else wants to know of an answer, told off its way: shadow traffic, features for drift.

Each observer has a share of the requests, a queue and a thread of its own. What doesn't fit into
the queue is dropped and counted, and no answer ever waits for an observer.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client import Counter

from components.serving.predictor.classifier import Answer
from components.shared.images.decode import Pixels

CAPACITY = 64
MAX_BYTES = 32_000_000
TICK_SECONDS = 1.0
CLOSE_SECONDS = 5.0

OBSERVED = Counter(
    "emotion_observed_total",
    "Requests that an observer saw, failed to see, or dropped",
    ["observer", "outcome"],
)

_log = logging.getLogger("emotion.serving")


@dataclass(frozen=True)
class Answered:
    """A request that was answered.

    Attributes:
        request_id: the client's own, or one made for it.
        images: one per answer, the file's bytes as received, or the model's input where pixels were
            sent; None where no bytes could be made of what was sent. Features are computed from
            these.
        answers: label and probabilities, or the error, of each.
        model_name, version: what answered.
    """

    request_id: str
    images: tuple[bytes | Pixels | None, ...]
    answers: tuple[Answer, ...]
    model_name: str
    version: str

    @property
    def size(self) -> int:
        """Bytes of memory that its images take."""
        return sum(
            image.nbytes if isinstance(image, np.ndarray) else len(image or b"")
            for image in self.images
        )


class Observer:
    """Sees some of the answered requests, on a thread of its own.

    What it raises is logged, and the next request comes.

    Attributes:
        name: in metrics. share: of the requests that it sees.
        finishes: whether it still sees what waits when the server ends; otherwise that is dropped.
    """

    name: str
    share: float
    finishes = True

    def see(self, answered: Answered) -> None:
        """Take a request that was answered."""
        raise NotImplementedError

    def tick(self) -> None:
        """Do what is due; called about once a second while nothing comes."""

    def close(self) -> None:
        """End; called last, when the server ends."""


class Observers:
    """Hands answered requests to observers; does nothing when there are none.

    Args:
        capacity, max_bytes: requests, and bytes of their images, that may wait for one observer.
        draw: a number from 0 to 1 for each request and observer.
    """

    def __init__(
        self,
        observers: Sequence[Observer] = (),
        capacity: int = CAPACITY,
        max_bytes: int = MAX_BYTES,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._lines = [_Line(observer, capacity, max_bytes) for observer in observers]
        self._draw = draw

    def __bool__(self) -> bool:
        return bool(self._lines)

    def tell(self, answered: Answered) -> None:
        """Take a request for those that have drawn it and have room for it. Never waits."""
        for line in self._lines:
            if self._draw() < line.observer.share:
                line.offer(answered)

    def close(self) -> None:
        """Let what waits be seen, for five seconds at most."""
        deadline = time.monotonic() + CLOSE_SECONDS
        for line in self._lines:
            line.end()
        for line in self._lines:
            line.thread.join(max(0.0, deadline - time.monotonic()))


class _Line:
    """One observer, what waits for it, and the thread on which it sees."""

    def __init__(self, observer: Observer, capacity: int, max_bytes: int) -> None:
        self.observer = observer
        self._capacity, self._max_bytes = capacity, max_bytes
        self._waiting: deque[Answered] = deque()
        self._bytes = 0
        self._ending = False
        self._changed = threading.Condition()
        self._counts = {
            word: OBSERVED.labels(observer.name, word) for word in ("seen", "failed", "dropped")
        }
        self.thread = threading.Thread(
            target=self._work, name=f"observer-{observer.name}", daemon=True
        )
        self.thread.start()

    def offer(self, answered: Answered) -> None:
        size = answered.size
        with self._changed:
            room = len(self._waiting) < self._capacity and self._bytes + size <= self._max_bytes
            if room and not self._ending:
                self._waiting.append(answered)
                self._bytes += size
                self._changed.notify()
                return
        self._counts["dropped"].inc()

    def end(self) -> None:
        with self._changed:
            self._ending = True
            if not self.observer.finishes:
                self._counts["dropped"].inc(len(self._waiting))
                self._waiting.clear()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._ending:
                    self._changed.wait(TICK_SECONDS)
                answered = self._waiting.popleft() if self._waiting else None
                self._bytes -= answered.size if answered else 0
                over = self._ending and answered is None
            if over:
                self._try(self.observer.close)
                return
            if answered is None:
                self._try(self.observer.tick)
            else:
                self._counts["seen" if self._try(self.observer.see, answered) else "failed"].inc()

    def _try(self, act: Callable[..., None], *given: Answered) -> bool:
        try:
            act(*given)
        except Exception:  # noqa: BLE001 - an observer's trouble is its own
            _log.exception("the observer %s failed", self.observer.name)
            return False
        return True
