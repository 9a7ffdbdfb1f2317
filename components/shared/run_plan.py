"""The run plan: what resolve decided for a run, which every later step takes as given.

And what a run may be called.

The plan is stored under its own digest, and that digest is the parameter that later steps take. So
their cache keys follow its content, not the path of one attempt, and a resumed run finds its work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from components.shared.errors import InputError

OUTCOME_WORDS = ("blessed", "rejected", "needs-approval", "nothing-new", "stopped", "failed")


@dataclass(frozen=True)
class Pointer:
    """What `champion`, `anchor` or `previous` names. Changed by compare-and-set only."""

    version: str
    run_id: str
    since: str


@dataclass(frozen=True)
class ListedSource:
    """What stands in one of several joined sources: as in `Listing`.

    ``name`` is what the snapshot calls it.
    """

    name: str
    uri: str
    layout: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Listing:
    """What stands in a source.

    Attributes:
        uri: of the source, as given; of several a JSON list
            (`components.shared.preset.sources.separate_uris`).
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
        fingerprint: digest of listing, preset and code; equal to the last judged night's means
            nothing is new.
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


_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RUN_ID_FORM = "up to 100 letters, digits, dots, dashes and underscores, the first a letter or digit"


def check_run_id(run_id: str) -> str:
    """Return ``run_id`` if a run may be called so.

    Raises:
        InputError: it holds something else, such as a placeholder of Kubeflow Pipelines that nobody
            replaced.
    """
    if _RUN_ID.fullmatch(run_id) is None:
        placeholder = "{{" in run_id
        raise InputError(
            f"a run can't be called {run_id!r}",
            expected=RUN_ID_FORM,
            fix=(
                "compile and submit the pipeline again: Kubeflow Pipelines left a placeholder as"
                " it was"
                if placeholder
                else ""
            ),
        )
    return run_id


def second_run_id(run_id: str, job_id: str) -> str:
    """Name of a workflow's run where ``run_id`` is another workflow's.

    With the first 8 letters of its own id.
    """
    return check_run_id(f"{run_id[:91]}-{job_id[:8]}")
