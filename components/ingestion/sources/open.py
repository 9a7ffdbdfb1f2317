"""What a run's sources are, opened and understood: one, or several joined under one taxonomy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from components.ingestion.sources.detection import detect, votes_alone
from components.ingestion.sources.joined import Joined, JoinedPlace
from components.ingestion.sources.layouts.layout import Layout
from components.ingestion.sources.layouts.votes import VoteTable
from components.ingestion.sources.storage.open import EXPECTED, open_single
from components.ingestion.sources.storage.storage import ObjectPlace, Place
from components.shared.errors import InputError
from components.shared.labels import taxonomy
from components.shared.preset import DataPolicy, Source
from components.shared.preset.sources import joined_uri, separate_uris


@dataclass(frozen=True)
class Gathered:
    """The sources of a run.

    Attributes:
        uri: names them all (`joined_uri`), with the tables of votes that were named beside them.
        place, layout: of all of them together.
        parts: name, URI and layout of each of several; empty for one.
    """

    uri: str
    place: Place
    layout: Layout
    parts: tuple[tuple[str, str, Layout], ...] = ()


@dataclass(frozen=True)
class _Opened:
    source: Source
    place: ObjectPlace
    votes: VoteTable | None


def gather(source: str, policy: DataPolicy) -> Gathered:
    """Open and understand the sources that a run names, or that its preset does.

    A table of votes named as a source belongs to the source before it.

    Raises:
        InputError: a source can't be used, or the policy asks for votes and there are none.
        EnvironmentProblem: a source can't be reached.
    """
    chosen = chosen_sources(source, policy)
    uri = joined_uri([one.uri for one in chosen])
    opened = _open(chosen, policy)
    labels = taxonomy(policy.taxonomy)
    named = [""] if len(opened) == 1 else _names([one.source for one in opened])
    layouts = [
        detect(one.place, labels.with_classes(one.source.classes), policy.votes, one.votes, name)
        for one, name in zip(opened, named, strict=True)
    ]
    if policy.votes is not None and not any(layout.voted for layout in layouts):
        raise InputError(
            f"{uri} comes without a table of votes, where this preset takes its labels from",
            expected="a CSV of votes beside the images, or named as a source after them",
            fix=(
                "give --data once more, with fer2013new.csv (for FER2013's CSV) or a table that"
                " names the images"
            ),
        )
    if len(opened) == 1:
        return Gathered(uri, opened[0].place, layouts[0])
    parts = tuple(
        (name, one.place.uri, layout)
        for name, one, layout in zip(named, opened, layouts, strict=True)
    )
    return Gathered(
        uri,
        JoinedPlace([one.place for one in opened]),
        Joined(uri, [(name, layout) for name, _, layout in parts]),
        parts,
    )


def chosen_sources(source: str, policy: DataPolicy) -> tuple[Source, ...]:
    """Return the sources that a run names, with what the preset says of each, or else the preset's own. Raises InputError: none."""
    known = {one.uri: one for one in policy.sources}
    chosen = tuple(known.get(uri, Source(uri)) for uri in separate_uris(source)) or policy.sources
    if not chosen:
        raise InputError("no source is named", expected=f"--data with {EXPECTED}")
    uris = [one.uri for one in chosen]
    if len(set(uris)) < len(uris):
        raise InputError(
            "a source is named twice", expected="each source once", received=", ".join(uris)
        )
    return chosen


def slug(uri: str) -> str:
    """Return a short name made of the last part of a path or URI."""
    stem = PurePosixPath(uri.rstrip("/")).name.lower()
    stem = re.sub(r"(\.tar)?\.[a-z0-9]{1,6}$", "", stem)
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40].strip("-") or "source"


def _open(chosen: Sequence[Source], policy: DataPolicy) -> list[_Opened]:
    opened: list[_Opened] = []
    for source in chosen:
        place = open_single(source.uri)
        alone = votes_alone(place)
        if alone is None:
            opened.append(_Opened(source, place, _votes_of(source)))
        elif policy.votes is None:
            raise InputError(
                f"{source.uri} holds votes, and this preset doesn't count any",
                fix="leave it out, or use the preset ferplus",
            )
        elif not opened or opened[-1].votes is not None:
            raise InputError(
                f"{source.uri} holds votes of no images",
                expected="the source of the images named before it",
            )
        else:
            opened[-1] = replace(opened[-1], votes=alone)
    return opened


def _votes_of(source: Source) -> VoteTable | None:
    if not source.votes:
        return None
    votes = votes_alone(open_single(source.votes))
    if votes is None:
        raise InputError(
            f"{source.votes} isn't a table of votes",
            expected="a CSV with a column per answer, as fer2013new.csv of FER+",
        )
    return votes


def _names(sources: Sequence[Source]) -> list[str]:
    """Return a name for each, in their order.

    Of those that are called the same the later ones are numbered.
    """
    names: list[str] = []
    for source in sources:
        name = wanted = source.name or slug(source.uri)
        number = 2
        while name in names:
            name, number = f"{wanted}-{number}", number + 1
        names.append(name)
    return names
