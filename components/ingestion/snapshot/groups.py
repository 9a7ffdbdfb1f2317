"""The one place where all rows meet: groups of near duplicates, and the split of every row.

Looks at columns, about 250 bytes a row, and at a picture only where two may be near duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.snapshot.images import Collection, Numbers
from components.ingestion.snapshot.near_duplicates import (
    SKETCH_BYTES,
    Pixels,
    alike,
    representatives,
)
from components.ingestion.snapshot.previous import DRAWN, EarlierSnapshot
from components.ingestion.snapshot.schemas import DECIDED
from components.ingestion.snapshot.splits import (
    CODE,
    WORDS,
    Codes,
    Draws,
    Rows,
    SplitRules,
    Words,
    decide,
    draws,
)
from components.ingestion.sources.layouts.columns import whole

_BYTES = np.zeros(1 << 16, np.uint8)  # by the two letters that spell it in hex
_BYTES[np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)] = np.arange(256)


@dataclass(frozen=True)
class Settled:
    """What was decided of every row.

    Attributes:
        decided: rows of `DECIDED`. content, group: codes; equal ones are the same.
        drawn: rows of `components.ingestion.snapshot.previous.DRAWN`, for the next night.
    """

    decided: pa.Table
    content: Codes
    group: Codes
    drawn: pa.Table


def settle(
    rows: pa.Table,
    pictures: Numbers,
    collection: Collection,
    rules: SplitRules,
    earlier: EarlierSnapshot | None,
) -> Settled:
    """Decide of every row.

    Args:
        rows: content_id, label, published (what `splits.decide` takes), contrast and sketch of
            every accepted row.
        pictures: their numbers in the collection.
        earlier: whose groups are remembered.
    """
    ids = whole(rows["content_id"])
    content = _ranks(ids)
    first = _first(content)[:-1]
    flat = rows["contrast"].to_numpy() < rules.policy.min_contrast
    sketches = _stacked(whole(rows["sketch"]))
    group_of_content, group_ids, before = _groups(
        ids, first, sketches, flat[first], pictures[first], collection, earlier
    )
    group = group_of_content[content]
    drawn: dict[str, Draws] = {}

    def draws_of(purpose: str) -> Draws:
        drawn[purpose] = np.full(len(group_ids), np.nan)
        if earlier is not None and earlier.reusable:
            drawn[purpose][before >= 0] = earlier.rows[purpose].to_numpy()[before[before >= 0]]
        missing = np.isnan(drawn[purpose])
        drawn[purpose][missing] = draws(purpose, group_ids.filter(pa.array(missing)).to_pylist())
        return drawn[purpose]

    published = whole(rows["published"]).dictionary_encode()
    split, note = decide(
        Rows(
            draws=draws_of,
            group=group,
            content=content,
            label=_codes(whole(rows["label"])),
            published=np.array([CODE[word] for word in published.dictionary.to_pylist()], np.int8)[
                _codes(published)
            ],
            flat=flat,
        ),
        rules,
    )
    decided = [group_ids.take(pa.array(group)), _spelled(split), _spelled(note)]
    kept = [
        drawn[name][group] if name in drawn else pa.nulls(len(group), pa.float64())
        for name in DRAWN.names
    ]
    return Settled(pa.table(decided, schema=DECIDED), content, group, pa.table(kept, schema=DRAWN))


def _groups(
    ids: pa.Array,
    first: Numbers,
    sketches: Pixels,
    flat: npt.NDArray[np.bool_],
    pictures: Numbers,
    collection: Collection,
    earlier: EarlierSnapshot | None,
) -> tuple[Codes, pa.Array, Numbers]:
    """Return the group of each distinct content, as a code.

    Remembered, its representative's, or its own.

    And of each group its id, and the first row of the earlier snapshot that was in it, or -1.

    Args:
        ids, sketches: of every row. first: row of each content, in the order of their ids.
    """
    code, names, before = _remembered(ids, first, pictures, earlier)
    fresh = code < 0
    # A group may have kept the name of a picture that went, and that is here again.
    code[fresh] = _where(ids.take(pa.array(first[fresh])), names)
    settled = code.copy()
    settled[fresh] = -1
    alone = code < 0
    code[alone] = len(names) + np.arange(alone.sum())
    names = pa.concat_arrays([names, ids.take(pa.array(first[alone]))])
    before = np.concatenate([before, np.full(alone.sum(), -1)])
    # What was there before comes first, and within that the smallest content id: no order of
    # reading matters.
    order = np.concatenate(
        [np.flatnonzero(~fresh & ~flat), np.flatnonzero(fresh & ~flat)]
    )  # a nearly constant one is like any other
    if len(order):
        shown = pictures[order]
        leader = representatives(
            sketches,
            first[order],
            _settled(settled[order]),
            lambda one, other: alike(
                collection.grid(int(shown[one])), collection.grid(int(shown[other]))
            ),
            lambda places: collection.look_at(shown[list(places)]),
        )
        code[order] = code[order[leader]]
    used = np.bincount(code, minlength=len(names)) > 0
    return (np.cumsum(used) - 1)[code], names.filter(pa.array(used)), before[used]


def _remembered(
    ids: pa.Array, first: Numbers, pictures: Numbers, earlier: EarlierSnapshot | None
) -> tuple[Codes, pa.Array, Numbers]:
    """Return the code of the group that each content had before, or -1.

    And of each of those groups its id and its first row.
    """
    if earlier is None:
        return np.full(len(first), -1), pa.array([], pa.string()), np.zeros(0, np.int64)
    groups = whole(earlier.rows["group_id"])
    row = np.where(pictures < (len(groups) if earlier.reusable else 0), pictures, -1)
    row[row < 0] = _where(ids.take(pa.array(first[row < 0])), earlier.rows["content_id"])
    codes = _codes(groups)
    return np.where(row < 0, -1, codes[row]), groups.dictionary, _first(codes)[:-1]


def _where(wanted: pa.Array, words: pa.Array | pa.ChunkedArray) -> Numbers:
    """Where each word stands first among many others; -1 where it doesn't.

    Quick where few are wanted.
    """
    if not len(wanted) or not len(words):
        return np.full(len(wanted), -1)
    hits = np.flatnonzero(pc.is_in(words, value_set=wanted).to_numpy(zero_copy_only=False))
    place = _filled(pc.index_in(wanted, value_set=words.take(pa.array(hits))))
    return np.where(place < 0, -1, hits[place]) if len(hits) else place


def _ranks(ids: pa.Array) -> Codes:
    """Place of each id (SHA-256, hex) among the distinct ones in ascending order.

    Sorting their first 64 bits takes a tenth of the time.
    """
    ends = np.frombuffer(ids.buffers()[1], np.int32, len(ids) + 1, 4 * ids.offset)
    pairs = (
        np.frombuffer(ids.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]]
        .view(np.uint16)
        .reshape(len(ids), -1)[:, :8]
    )
    heads = _BYTES[pairs].view(">u8").ravel().astype(np.uint64)
    order = np.argsort(heads)
    heads = heads[order]
    again = np.flatnonzero(heads[1:] == heads[:-1])
    if pc.any(
        pc.not_equal(ids.take(pa.array(order[again])), ids.take(pa.array(order[again + 1])))
    ).as_py():
        return pc.rank(ids, tiebreaker="dense").to_numpy().astype(np.int64) - 1
    steps = np.ones(len(ids), np.int64)
    steps[again + 1] = 0
    ranks = np.empty(len(ids), np.int64)
    ranks[order] = np.cumsum(steps) - 1
    return ranks


def _stacked(sketches: pa.Array) -> Pixels:
    """Sketches as bytes ``[n, 64]``."""
    found = np.frombuffer(
        sketches.buffers()[1],
        np.uint8,
        len(sketches) * SKETCH_BYTES,
        sketches.offset * SKETCH_BYTES,
    )
    return found.reshape(-1, SKETCH_BYTES)


def _settled(codes: Codes) -> Codes:
    """Of each picture in order: the first of its remembered group, or -1."""
    return np.where(codes < 0, -1, _first(codes)[codes])


def _first(codes: Codes) -> Codes:
    """Where each code stands first; the last place is that of -1."""
    first = np.empty(codes.max(initial=-1) + 2, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _codes(encoded: pa.DictionaryArray) -> Codes:
    """Codes of a dictionary array; -1 for null."""
    return _filled(encoded.indices)


def _spelled(codes: Words) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(WORDS)).cast(pa.string())


def _filled(places: pa.Array) -> Numbers:
    return pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.int64)
