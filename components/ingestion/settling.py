"""The one place where all rows meet: groups of near duplicates, and the split of every row.

Looks at columns, about 250 bytes a row, and at a picture only where two may be near duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.collection import Collection, Numbers
from components.ingestion.earlier import EarlierSnapshot
from components.ingestion.neighbours import SKETCH_BYTES, alike, representatives
from components.ingestion.splits import Codes, Rows, SplitRules, decide
from components.ingestion.tables import DECIDED


@dataclass(frozen=True)
class Settled:
    """What was decided of every row.

    Attributes:
        decided: rows of `DECIDED`. content, group: codes; equal ones are the same.
    """

    decided: pa.Table
    content: Codes
    group: Codes


def settle(rows: pa.Table, pictures: Numbers, collection: Collection, rules: SplitRules, earlier: EarlierSnapshot | None) -> Settled:
    """Decide of every row.

    Args:
        rows: content_id, label, published (what `splits.decide` takes), contrast and sketch of every accepted row.
        pictures: their numbers in the collection.
        earlier: whose groups are remembered.
    """
    encoded = rows["content_id"].combine_chunks().dictionary_encode()
    content = _codes(encoded)
    first = _first(content)[:-1]
    flat = rows["contrast"].to_numpy() < rules.policy.min_contrast
    sketch = rows["sketch"].take(pa.array(first)).combine_chunks()
    group_of_content = _groups(encoded.dictionary, sketch, flat[first], pictures[first], collection, earlier)
    groups = group_of_content.dictionary_encode()
    group = _codes(groups)[content]
    published = rows["published"].combine_chunks().dictionary_encode()
    split, note = decide(
        Rows(
            group_ids=groups.dictionary.to_pylist(),
            group=group,
            content=content,
            label=_codes(rows["label"].combine_chunks()),
            published=np.array(published.dictionary.to_pylist(), object)[_codes(published)],
            flat=flat,
        ),
        rules,
    )
    decided = [group_of_content.take(pa.array(content)), pa.array(split, pa.string()), pa.array(note, pa.string())]
    return Settled(pa.table(decided, schema=DECIDED), content, group)


def _groups(
    contents: pa.Array, sketch: pa.Array, flat: npt.NDArray[np.bool_], pictures: Numbers, collection: Collection,
    earlier: EarlierSnapshot | None,
) -> pa.Array:  # fmt: skip
    """The group id of each distinct content: remembered, its representative's, or its own."""
    remembered = pa.nulls(len(contents), pa.string())
    if earlier is not None:
        known = pc.index_in(contents, value_set=earlier.rows["content_id"].combine_chunks())
        remembered = earlier.rows["group_id"].combine_chunks().take(known)
    fresh = pc.is_null(remembered).to_numpy(zero_copy_only=False)
    # What was there before comes first, and within that the smallest content id: no order of reading matters.
    order = _ascending(contents)
    order = np.concatenate([order[~fresh[order]], order[fresh[order]]])
    order = order[~flat[order]]  # a nearly constant picture is like any other one
    if not len(order):
        return pc.coalesce(remembered, contents)
    found = np.frombuffer(sketch.buffers()[1], np.uint8, len(sketch) * SKETCH_BYTES, sketch.offset * SKETCH_BYTES)
    shown = pictures[order]
    leader = representatives(
        found.reshape(-1, SKETCH_BYTES)[order],
        _settled(remembered.take(pa.array(order))),
        lambda one, other: alike(collection.grid(int(shown[one])), collection.grid(int(shown[other]))),
    )
    ids = pc.coalesce(remembered, contents)
    standing = np.arange(len(contents))
    standing[order] = order[leader]
    return ids.take(pa.array(standing))


def _ascending(ids: pa.Array) -> Numbers:
    """Places of distinct ids (SHA-256, hex) in ascending order: sorting their first 64 bits takes a tenth of the time."""
    ends = np.frombuffer(ids.buffers()[1], np.int32, len(ids) + 1, 4 * ids.offset)
    digits = np.frombuffer(ids.buffers()[2], np.uint8)[ends[0] : ends[-1]].reshape(len(ids), -1)[:, :16]
    values = (digits & 15) + 9 * (digits >> 6)
    heads = np.ascontiguousarray(values[:, ::2] << 4 | values[:, 1::2]).view(">u8").ravel().astype(np.uint64)
    order = np.argsort(heads)
    heads = heads[order]
    return pc.sort_indices(ids).to_numpy() if (heads[1:] == heads[:-1]).any() else order


def _settled(remembered: pa.Array) -> Codes:
    """Of each picture in order: the first of its remembered group, or -1."""
    codes = _codes(remembered.dictionary_encode())
    return np.where(codes < 0, -1, _first(codes)[codes])


def _first(codes: Codes) -> Codes:
    """Where each code stands first; the last place is that of -1."""
    first = np.empty(codes.max(initial=-1) + 2, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _codes(encoded: pa.DictionaryArray) -> Codes:
    """Codes of a dictionary array; -1 for null."""
    return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
