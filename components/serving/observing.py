"""Who else wants to know of an answer, told off its way: shadow traffic, feature logging.

An observer is any callable that takes an `Answered`. It runs on a thread of its own after the answer was
handed to the server, from a bounded queue: when it falls behind, observations are dropped and counted,
and no answer waits.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.images.decode import Pixels
from components.serving.classifier import Answer

CAPACITY = 64
CLOSE_SECONDS = 2.0

_log = logging.getLogger("emotion.serving")


@dataclass(frozen=True)
class Answered:
    """A request that was answered.

    Attributes:
        request_id: the client's own, or one made for it.
        images: one per answer, the file's bytes as received, or the model's input where pixels were sent;
            None where no bytes could be made of what was sent. Features are computed from these.
        answers: label and probabilities, or the error, of each.
        model_name, version: what answered.
    """

    request_id: str
    images: tuple[bytes | Pixels | None, ...]
    answers: tuple[Answer, ...]
    model_name: str
    version: str


Observer = Callable[[Answered], None]


class Observers:
    """Hands answered requests to observers on one thread; does nothing when there are none.

    Args:
        observers: called in turn; what one raises is logged, and the next is called.
        capacity: requests that may wait.
    """

    def __init__(self, observers: Sequence[Observer] = (), capacity: int = CAPACITY) -> None:
        self._observers = tuple(observers)
        self._waiting: queue.Queue[Answered | None] = queue.Queue(capacity)
        self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="observers", daemon=True)
        if self._observers:
            self._thread.start()

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, answered: Answered) -> None:
        """Take a request if there is room. Never waits."""
        if self._observers:
            try:
                self._waiting.put_nowait(answered)
            except queue.Full:
                self.dropped += 1

    def close(self) -> None:
        """Let what waits be seen, for two seconds at most."""
        if self._observers:
            try:
                self._waiting.put(None, timeout=CLOSE_SECONDS)
            except queue.Full:
                return
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        while (answered := self._waiting.get()) is not None:
            for observer in self._observers:
                try:
                    observer(answered)
                except Exception:  # noqa: BLE001 - an observer must not end the others
                    _log.exception("an observer failed")
