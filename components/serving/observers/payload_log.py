"""Payload logging.

Features of served pictures and the probabilities answered, as JSON lines in the store; never a
picture.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone

import numpy as np

from components.serving.observers.observers import Answered, Observer
from components.serving.predictor.classifier import Answer
from components.shared.images.decode import Pixels, decode
from components.shared.images.features import gray, measure
from components.shared.preset import PayloadPolicy
from components.shared.records import ServedRow
from components.shared.serialization import to_json
from components.shared.store import keys
from components.shared.store.interface import Store


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class FeatureLog(Observer):
    """Keeps rows in memory and writes them as one file of the store.

    When it is full, old, or of yesterday, and at the end.

    A file that can't be written is lost, with a line in the log: serving goes on without it.

    Args:
        now: the time in UTC.
    """

    name = "payload"

    def __init__(
        self, store: Store, policy: PayloadPolicy, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self.share = policy.share
        self._store, self._policy, self._now = store, policy, now
        self._rows: list[str] = []
        self._began = now()
        self._model_name = ""
        self._process = uuid.uuid4().hex[:12]
        self._files = 0

    def see(self, answered: Answered) -> None:
        """See `Observer.see`."""
        now = self._now()
        if now.date() != self._began.date():
            self._write()
        self._model_name = answered.model_name
        for image, answer in zip(answered.images, answered.answers, strict=True):
            if image is None or answer.probabilities is None:
                continue
            if not self._rows:
                self._began = now
            self._rows.append(to_json(row_of(image, answer, answered.version, now)))
            if len(self._rows) >= self._policy.rows:
                self._write()
        self.tick()

    def tick(self) -> None:
        """See `Observer.tick`."""
        if (self._now() - self._began).total_seconds() >= self._policy.seconds:
            self._write()

    def close(self) -> None:
        """See `Observer.close`."""
        self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._files += 1
            folder = keys.served(self._model_name, self._began.date().isoformat())
            self._store.write(
                f"{folder}/{self._process}-{self._files:06}.jsonl",
                ("\n".join(rows) + "\n").encode(),
            )


def row_of(image: bytes | Pixels, answer: Answer, version: str, at: datetime) -> ServedRow:
    """Return what is kept of one picture.

    Raises ImageRefused when the bytes are none, which an answered one's never are.
    """
    levels = gray(image if isinstance(image, np.ndarray) else decode(image).pixels)
    height, width = levels.shape
    measures = {name: round(value, 6) for name, value in asdict(measure(levels)).items()}
    return ServedRow(
        at=at.isoformat(timespec="milliseconds"),
        version=version,
        label=answer.label,
        probabilities={
            label: round(value, 6) for label, value in (answer.probabilities or {}).items()
        },
        width=width,
        height=height,
        **measures,
    )
