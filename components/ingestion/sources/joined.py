"""Several sources as one: their rows one after the other, each under its source's short name.

A split that any of the sources publishes comes from those that publish it: beside a source with a published test
split, one without adds to training alone, so that the figures stay comparable with that published split. Where none
publishes a test split, it is drawn from all of them by content, as of a single source. Copies of a picture in two
sources are copies: the twin of a test image leaves training whichever source it came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from components.contracts.codec import digest
from components.contracts.preset.sources import joined_uri
from components.ingestion.sources.layouts import Batch, Layout, Reading, Record, Standing, refuse_hopeless
from components.ingestion.sources.places import Place


class JoinedPlace:
    """The places of several sources. Its URI names them all; its batches know which of `places` they read from."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.uri = joined_uri([place.uri for place in places])
        self.places = tuple(places)

    def localized(self, folder: Path) -> JoinedPlace:
        from components.ingestion.sources.opening import localized

        return JoinedPlace([localized(place, _own(folder, number)) for number, place in enumerate(self.places)])


@dataclass(frozen=True)
class PartBatch:
    """A batch of one of the sources. See `components.ingestion.sources.layouts.Batch`."""

    number: int
    first: int
    batch: Batch

    @property
    def rows(self) -> int:
        return self.batch.rows

    @property
    def bytes(self) -> int:
        return self.batch.bytes

    def records(self, place: Place, max_bytes: int, known: Container[str]) -> Iterator[Record]:
        return self.batch.records(cast(JoinedPlace, place).places[self.number], max_bytes, known)


class Joined:
    """See `components.ingestion.sources.layouts.Layout`."""

    name = "joined"

    def __init__(self, uri: str, parts: Sequence[tuple[str, Layout]]) -> None:
        self.uri = uri
        self.parts = tuple(parts)
        self.objects = sum(layout.objects for _, layout in parts)
        self.bytes = sum(layout.bytes for _, layout in parts)
        self.digest = digest([[name, layout.digest] for name, layout in parts])
        self.voted = any(layout.voted for _, layout in parts)

    @property
    def standing(self) -> Standing | None:
        found = [layout.standing for _, layout in self.parts]
        known = [standing for standing in found if standing is not None]
        if len(known) < len(found):
            return None
        return Standing(
            sum((standing.labels for standing in known), Counter()), frozenset().union(*(standing.splits for standing in known))
        )

    def check_names(self) -> None:
        for _, layout in self.parts:
            layout.check_names()

    def check(self) -> None:
        self.check_names()
        refuse_hopeless(self.uri, self.standing)

    def reading(self, place: Place, scratch: Path) -> Reading:
        places = cast(JoinedPlace, place).places
        batches: list[Batch] = []
        published: Counter[str] = Counter()
        first = 0
        for number, (_, layout) in enumerate(self.parts):
            part = layout.reading(places[number], _own(scratch, number))
            batches += [PartBatch(number, first + batch.first, batch) for batch in part.batches]
            first += sum(batch.rows for batch in part.batches)
            published.update(part.published)
        return Reading(tuple(batches), dict(published))


def _own(folder: Path, number: int) -> Path:
    own = folder / f"source-{number}"
    own.mkdir(exist_ok=True)
    return own
