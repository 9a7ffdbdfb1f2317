"""What `emotion drift` leaves for the next night: does what is served still look like what the champion was trained on?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DriftRecord:
    """The last comparison of a model's traffic with its training data.

    Attributes:
        version: of the model that served. since: start of the traffic that was compared. at: when; both UTC, ISO 8601.
        drifted: a distance is above its bound.
        sentence: what was found, in words, as the part of a sentence.
    """

    version: str
    since: str
    at: str
    drifted: bool
    sentence: str
