"""Where a preset's images come from, where their labels do, and how several sources are named in one word."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from components.shared.errors import InputError
from components.shared.preset.checks import require


@dataclass(frozen=True)
class Source:
    """One of the sources that a preset joins under its taxonomy.

    Attributes:
        uri: a folder, an archive, a table, or gs://, s3:// or kaggle:// of these.
        name: short name in the snapshot; made of the URI where empty.
        classes: what this source calls a class, to a name that the taxonomy knows, or to nothing to
            leave it out: ``{"1": "surprise", "2": "fear", "8": ""}``.
        votes: URI of a table of votes on its images; empty where it stands beside them.
    """

    uri: str
    name: str = ""
    classes: dict[str, str] = field(default_factory=dict)
    votes: str = ""

    def __post_init__(self) -> None:
        require(bool(self.uri.strip()), "the uri of a source", "a path or a URI", self.uri)
        require(
            re.fullmatch(r"[a-z0-9-]{0,40}", self.name) is not None,
            "the name of a source",
            "lower-case letters, digits and dashes",
            self.name,
        )


@dataclass(frozen=True)
class VotesPolicy:
    """Labels by the votes of several annotators on each image, in the place of the source's own.

    Barsoum et al. 2016, "Training deep networks for facial expression recognition with
    crowd-sourced label distribution" (FER+), sections 3 and 4; the two bounds are those of the
    published code.

    Attributes:
        min_votes: an answer with fewer votes is taken for a slip and counts for nothing.
        majority: share of the counting votes that the most frequent answer must exceed; images
            without such an answer, and those whose answer names no emotion, are left out.
    """

    min_votes: int = 2
    majority: float = 0.5

    def __post_init__(self) -> None:
        require(self.min_votes >= 1, "min_votes", "at least 1", self.min_votes)
        require(0 <= self.majority < 1, "majority", "at least 0 and below 1", self.majority)


def joined_uri(uris: Sequence[str]) -> str:
    """Several URIs as the one string that the pipeline's parameter ``source`` takes.

    One as it is, more as a JSON list.
    """
    return uris[0] if len(uris) == 1 else json.dumps(list(uris), ensure_ascii=False) if uris else ""


def separate_uris(source: str) -> tuple[str, ...]:
    """Return what `joined_uri` was made of; nothing for an empty string.

    Raises:
        InputError: it starts like a JSON list of URIs but isn't one.
    """
    text = source.strip()
    if not text.startswith("["):
        return (source,) if text else ()
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(uri, str) and uri.strip() for uri in value)
    ):
        raise InputError(
            "the list of sources can't be read",
            expected='a JSON list of URIs such as ["a.zip", "gs://b/c"]',
            received=text[:80],
        )
    return tuple(value)
