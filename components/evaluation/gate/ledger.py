"""The ledger of looks: which challengers met which test rows, in the registry's part of the store.

Each look at the same test rows is another chance to be right by luck. A claim of superiority, and
the anchor's test, spend their significance level over the looks; the number of a look is written
down here once and never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.shared.serialization import from_json, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import Store, update

SKETCH = 64
SAME_ROWS = 0.5


@dataclass(frozen=True)
class Look:
    """One challenger that met one test set.

    Attributes:
        number: 1 for the first at these rows. at: UTC, ISO 8601.
        test_set: digest of the rows. rows: how many.
        sketch: the smallest content ids of the rows, 16 hex digits each; enough to estimate how
            many rows two sets share.
    """

    number: int
    challenger: str
    run_id: str
    at: str
    test_set: str
    rows: int
    sketch: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """All looks of one model name, in their order."""

    looks: tuple[Look, ...] = ()


def sketch(contents: Iterable[str]) -> tuple[str, ...]:
    """Return the `SKETCH` smallest distinct ids, shortened."""
    return tuple(sorted({content[:16] for content in contents})[:SKETCH])


def overlap(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Share of the rows of two test sets that stand in both, intersection over union, estimated from their sketches.

    Content ids are hashes, so the smallest of the union are a random sample of it (Broder 1997, "On
    the resemblance and containment of documents").
    """
    smallest = sorted({*one, *other})[:SKETCH]
    return sum(content in one and content in other for content in smallest) / max(1, len(smallest))


def with_look(ledger: Ledger, look: Look) -> tuple[Ledger, Look]:
    """Return the ledger with a look, numbered.

    Unchanged where this challenger met this test set before.

    A test set that grows by a few images a night isn't a new one: looks count together while sets
    share half of their rows.
    """
    for earlier in ledger.looks:
        if (earlier.challenger, earlier.test_set) == (look.challenger, look.test_set):
            return ledger, earlier
    alike = sum(overlap(earlier.sketch, look.sketch) >= SAME_ROWS for earlier in ledger.looks)
    numbered = Look(
        1 + alike, look.challenger, look.run_id, look.at, look.test_set, look.rows, look.sketch
    )
    return Ledger((*ledger.looks, numbered)), numbered


def record(store: Store, model_name: str, look: Look) -> Look:
    """Write a look down by compare-and-set, once however often it is asked for.

    Return it with its number.

    Raises:
        ConflictError: others kept changing the ledger.
    """
    numbered = look

    def change(content: bytes | None) -> bytes | None:
        nonlocal numbered
        ledger = (
            Ledger()
            if content is None
            else from_json(Ledger, content, f"the looks of {model_name}")
        )
        extended, numbered = with_look(ledger, look)
        return content if extended is ledger else to_pretty_json(extended).encode()

    update(store, keys.looks(model_name), change)
    return numbered
