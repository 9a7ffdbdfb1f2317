"""Records of the store that several components read.

The registry's documents, the last drift, rows that were served.

Everything that a promotion moves stands in a single document, `Pointers`, so that it moves at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from components.shared.errors import ContractError
from components.shared.findings.evaluation import Verdict
from components.shared.run_plan import Pointer
from components.shared.serialization import from_json, json_object

Action = Literal["promote", "approve", "reject", "rollback", "withdraw", "anchor"]


@dataclass(frozen=True)
class Decision:
    """One change of a model's registry: who decided what, and why.

    Attributes:
        number: 1 for a model's first decision; no number is left out.
        version: that was decided upon. run_id: the run that made or judged it.
            ``withdraw``: a rollout sent it back, and the previous champion is champion again, or
            none where there was none. ``anchor``: it is the anchor from now on; the champion stays.
        replaced: version of the champion that stood until then, if any.
        by: ``gate``, ``rollout``, or the name of a person.
        at: UTC, ISO 8601.
    """

    number: int
    action: Action
    version: str
    run_id: str
    replaced: str | None
    by: str
    why: str
    at: str


@dataclass(frozen=True)
class Condemned:
    """A version that garbage collection removes. at: UTC, ISO 8601.

    Nothing is removed long after it.
    """

    version: str
    at: str


@dataclass(frozen=True)
class Pointers:
    """What a model's registry says now. Replaced as a whole, by compare-and-set only.

    Attributes:
        champion: the version that is wanted in service; what does serve is another pointer,
            `serving`.
        previous: the champion before it, which a rollback brings back.
        anchor: the best version that ever served, or that was promoted where no cluster serves;
            rises on a claim of superiority.
        anchor_before: the anchor before it, which is the anchor again should this one be sent back.
        anchor_candidate: becomes the anchor once a rollout has brought it all of the traffic.
        decision: the latest one; the document and its decision change together.
        withdrawn: versions that a person or a rollout sent back; only a person makes one of them
            champion again.
        condemned: versions that garbage collection removes; none of them becomes champion while it
            stands here.
        revision: one more with every change, so that no two states ever look the same to a
            compare-and-set.
    """

    champion: Pointer | None = None
    previous: Pointer | None = None
    anchor: Pointer | None = None
    decision: Decision | None = None
    withdrawn: tuple[str, ...] = ()
    condemned: tuple[Condemned, ...] = ()
    revision: int = 0
    anchor_before: Pointer | None = None
    anchor_candidate: Pointer | None = None

    def mended(self) -> Pointers:
        """Return the same without an anchor that was sent back, as earlier versions of this code left it.

        The anchor is then the one before it, else the champion.
        """
        if self.anchor is None or self.anchor.version not in self.withdrawn:
            return self
        standing = (
            each
            for each in (self.anchor_before, self.champion)
            if each and each.version not in self.withdrawn
        )
        return replace(self, anchor=next(standing, None), anchor_before=None)


@dataclass(frozen=True)
class ApprovalRequest:
    """A registered version that a person must decide upon.

    Attributes:
        asked_at: UTC, ISO 8601.
        decisions: how many the model had when it was asked; the answer is among the later ones.
    """

    run_id: str
    verdict: Verdict
    asked_at: str
    decisions: int


@dataclass(frozen=True)
class DriftRecord:
    """The last comparison of a model's traffic with its training data.

    Attributes:
        version: of the model that served. since: start of the traffic that was compared. at: when;
            both UTC, ISO 8601.
        drifted: a distance is above its bound.
        sentence: what was found, in words, as the part of a sentence.
    """

    version: str
    since: str
    at: str
    drifted: bool
    sentence: str


@dataclass(frozen=True)
class ServedRow:
    """One line of a file under `layout.served`.

    Attributes:
        at: UTC, ISO 8601. version: of the model that answered.
        label: that was answered. probabilities: by label.
        brightness, contrast, sharpness, entropy: as `components.shared.images.features` says.
        width, height: of the picture as received, upright.
    """

    at: str
    version: str
    label: str
    probabilities: dict[str, float]
    brightness: float
    contrast: float
    sharpness: float
    entropy: float
    width: int
    height: int


RECORD_VERSION = 1


@dataclass(frozen=True)
class JudgedRun:
    """The last run of a model that was judged, under the key `last-night`.

    Attributes:
        fingerprint: of its run plan; equal to the next run's means that nothing is new.
        outcome: one of `components.shared.run_plan.OUTCOME_WORDS`.
        listing_digest: of its run plan's listing.
        objects: how many objects held images.
        at: when it ended, UTC, ISO 8601.
        layout_version: a record without one is of the first version.
    """

    fingerprint: str
    run_id: str = ""
    outcome: str = ""
    listing_digest: str = ""
    preset_digest: str = ""
    code_version: str = ""
    objects: int = 0
    at: str = ""
    layout_version: int = RECORD_VERSION


@dataclass(frozen=True)
class AcceptedSnapshot:
    """The last snapshot of a source that validation accepted.

    Attributes:
        run_id: the run that accepted it.
        layout_version: a record without one is of the first version.
    """

    snapshot_id: str
    run_id: str = ""
    layout_version: int = RECORD_VERSION


class NewerRecordError(ContractError):
    """A record that a newer version of the code wrote."""


Record = TypeVar("Record", JudgedRun, AcceptedSnapshot)


def read_record(kind: type[Record], content: bytes | None, name: str) -> Record | None:
    """Return the record that a store's value holds; None where there is no value.

    Args:
        name: of the record, for errors: its key in the store.

    Raises:
        NewerRecordError: a newer version of the code wrote it.
        ContractError: it holds something else.
    """
    if content is None:
        return None
    version = json_object(content).get("layout_version", RECORD_VERSION)
    if isinstance(version, int) and version > RECORD_VERSION:
        raise NewerRecordError(
            f"{name} was written by newer code",
            expected=f"version {RECORD_VERSION}",
            received=f"version {version}",
            fix="run the images of the newer version: schedule the pipeline again",
        )
    return from_json(kind, content, name)
