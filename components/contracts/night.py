"""The night's plan: what resolve found, which every later step takes as given.

The plan is stored under its own digest, and that digest is the parameter that later steps take. So
their cache keys follow its content, not the path of one attempt, and a resumed run finds its work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OUTCOME_WORDS = ("blessed", "rejected", "needs-approval", "nothing-new", "stopped", "failed")


@dataclass(frozen=True)
class Pointer:
    """What `champion`, `anchor` or `previous` names. Changed by compare-and-set only."""

    version: str
    run_id: str
    since: str


@dataclass(frozen=True)
class ListedSource:
    """What stands in one of several joined sources: as in `Listing`; ``name`` is what the snapshot calls it."""

    name: str
    uri: str
    layout: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Listing:
    """What stands in a source.

    Attributes:
        uri: of the source, as given; of several a JSON list (`components.contracts.preset.sources.separate_uris`).
        source_id: short stable name of the source in the store.
        layout: name of the reader that understands it.
        digest: SHA-256 over every object's name, size and checksum (or time of change).
        objects: how many objects hold images (rows for a CSV aren't counted here).
        bytes: their total size.
        sources: each of several, in the order of their rows; empty for one.
    """

    uri: str
    source_id: str
    layout: str
    digest: str
    objects: int
    bytes: int
    sources: tuple[ListedSource, ...] = ()


@dataclass(frozen=True)
class NightPlan:
    """What tonight is about.

    Attributes:
        work: new or nothing-new.
        reason: why, in words.
        fingerprint: digest of listing, preset and code; equal to the last judged night's means nothing is new.
        code_version: digest of the code and locks that the steps run with.
        accepted_snapshot: the last snapshot of this source that validation accepted, if any.
        champion, anchor: the versions that the challenger is compared with, if any.
    """

    work: Literal["new", "nothing-new"]
    reason: str
    preset_digest: str
    code_version: str
    fingerprint: str
    listing: Listing
    accepted_snapshot: str | None = None
    champion: Pointer | None = None
    anchor: Pointer | None = None
