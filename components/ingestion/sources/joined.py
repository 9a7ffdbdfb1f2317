"""Several sources as one: their rows one after the other, each under its source's short name.

A split that any of the sources publishes comes from those that publish it: beside a source with a
published test split, one without adds to training alone, so that the figures stay comparable with
that published split. Where none publishes a test split, it is drawn from all of them by content, as
of a single source. Copies of a picture in two sources are copies: the twin of a test image leaves
training whichever source it came from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import cast

import pyarrow as pa

from components.ingestion.sources.layouts.layout import (
    Content,
    Layout,
    Reader,
    Reading,
    Standing,
    refuse_hopeless,
)
from components.ingestion.sources.storage.storage import Place
from components.shared.preset.sources import joined_uri
from components.shared.serialization import digest


class JoinedPlace:
    """The places of several sources. Its URI names them all.

    `JoinedReader` knows which of `places` a row is read from.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.uri = joined_uri([place.uri for place in places])
        self.places = tuple(places)

    def localized(self, folder: Path) -> JoinedPlace:
        """See `Place.localized`."""
        from components.ingestion.sources.storage.open import localized

        return JoinedPlace(
            [localized(place, _own(folder, number)) for number, place in enumerate(self.places)]
        )


@dataclass(frozen=True)
class JoinedReader:
    """See `components.ingestion.sources.layouts.layout.Reader`.

    Attributes:
        ends: of each source, how many rows it and those before it have.
    """

    readers: tuple[Reader, ...]
    ends: tuple[int, ...]

    def contents(self, place: Place, rows: pa.Table, max_bytes: int) -> Iterator[Content]:
        """See `Reader.contents`."""
        places = cast(JoinedPlace, place).places
        numbers = [bisect_right(self.ends, row) for row in rows["row"].to_pylist()]
        start = 0
        for number, run in groupby(numbers):
            length = len(list(run))
            yield from self.readers[number].contents(
                places[number], rows.slice(start, length), max_bytes
            )
            start += length


class Joined:
    """See `components.ingestion.sources.layouts.layout.Layout`."""

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
        """See `Layout.standing`."""
        found = [layout.standing for _, layout in self.parts]
        known = [standing for standing in found if standing is not None]
        if len(known) < len(found):
            return None
        return Standing(
            sum((standing.labels for standing in known), Counter()),
            frozenset().union(*(standing.splits for standing in known)),
        )

    def check_names(self) -> None:
        """See `Layout.check_names`."""
        for _, layout in self.parts:
            layout.check_names()

    def check(self) -> None:
        """See `Layout.check`."""
        self.check_names()
        refuse_hopeless(self.uri, self.standing)

    def reading(self, place: Place, scratch: Path) -> Reading:
        """See `Layout.reading`."""
        places = cast(JoinedPlace, place).places
        parts = [
            layout.reading(places[number], _own(scratch, number))
            for number, (_, layout) in enumerate(self.parts)
        ]
        published: Counter[str] = Counter()
        for part in parts:
            published.update(part.published)
        ends = tuple(accumulate(len(part.rows) for part in parts))
        rows = pa.concat_tables([part.rows for part in parts]).unify_dictionaries()
        return Reading(
            rows, JoinedReader(tuple(part.reader for part in parts), ends), dict(published)
        )


def _own(folder: Path, number: int) -> Path:
    own = folder / f"source-{number}"
    own.mkdir(exist_ok=True)
    return own
