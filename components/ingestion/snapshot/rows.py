"""Every row of a night in one table, column by column.

What the source says of it, what its picture says, what people decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.curation.decisions import Overlays
from components.ingestion.decode.quality import example_id
from components.ingestion.snapshot.images import Numbers
from components.ingestion.snapshot.previous import EarlierSnapshot
from components.ingestion.snapshot.schemas import PICTURES, REJECTED
from components.ingestion.snapshot.splits import CLASS_LEFT_OUT
from components.ingestion.sources.layouts.columns import SAID, whole

_PICTURE = ["example_id", "content_id", "contrast", "sketch"]


@dataclass(frozen=True)
class Assembled:
    """The accepted rows in the order of the source, and what became of the others.

    Attributes:
        rows: what the source says, with people's labels; ``example_id``, ``content_id``,
            ``contrast``, ``sketch``; and ``published``, which is the published split, or that the
            taxonomy leaves the class out.
        sizes: bytes of each in the source. pictures: numbers in the collection.
        rejected: rows of `components.ingestion.snapshot.schemas.REJECTED`.
        reused, relabelled, forgotten: how many.
    """

    rows: pa.Table
    sizes: Numbers
    pictures: Numbers
    rejected: pa.Table
    reused: int
    relabelled: int
    forgotten: int


def assemble(
    said: pa.Table,
    places: Numbers,
    earlier: EarlierSnapshot | None,
    parts: list[pa.Table],
    refused: pa.Table | None,
    overlays: Overlays,
) -> Assembled:
    """Join what stands in columns of their own.

    Args:
        said: every row of the source. places: where each stands in the earlier snapshot; -1 for
            those read tonight.
        parts, refused: what was read tonight: rows of
            `components.ingestion.snapshot.schemas.PICTURES` and `REFUSED`.
    """
    before = earlier.rows if earlier is not None and earlier.reusable else None
    known = len(before) if before is not None else 0
    numbers = places.copy()
    read = np.concatenate([np.zeros(0, np.int64), *(part["row"].to_numpy() for part in parts)])
    numbers[read] = known + np.arange(len(read))
    tables = [
        table.select(_PICTURE)
        for table in (*([before] if before is not None else []), *parts, PICTURES.empty_table())
    ]
    accepted = np.flatnonzero(numbers >= 0)
    together, chosen = pa.concat_tables(tables), pa.array(numbers[accepted])
    pictures = pa.table(
        {name: together[name].take(chosen) for name in _PICTURE}
    )  # not all columns at once, which takes memory twice
    rows = said if len(accepted) == len(said) else said.take(pa.array(accepted))
    examples = (
        pictures["example_id"]
        if before is None
        else _examples(pictures, rows["key"], before["source_uri"], numbers[accepted])
    )
    columns = (
        {name: rows[name] for name in SAID.names}
        | {name: pictures[name] for name in _PICTURE}
        | {"example_id": examples}
    )
    table, relabelled = _relabelled(pa.table(columns), overlays)
    kept = np.ones(len(table), bool)
    if overlays.forgotten:
        kept = pc.invert(
            pc.is_in(table["content_id"], value_set=pa.array(sorted(overlays.forgotten)))
        ).to_numpy()
        table = table.filter(pa.array(kept))
    shown = accepted[kept]
    reused = int((places[shown] >= 0).sum())
    return Assembled(
        table,
        rows["size"].to_numpy()[kept],
        numbers[shown],
        _rejected(said, refused),
        reused,
        int(relabelled[kept].sum()),
        int((~kept).sum()),
    )


def _examples(
    pictures: pa.Table, keys: pa.ChunkedArray, keys_before: pa.ChunkedArray, numbers: Numbers
) -> pa.ChunkedArray:
    """Return the example ids; that of a row which is called otherwise than before is made anew."""
    before = numbers < len(keys_before)
    called = whole(keys_before).take(pa.array(np.where(before, numbers, 0)))
    moved = np.flatnonzero(
        before & pc.not_equal(called, whole(keys)).to_numpy(zero_copy_only=False)
    )
    if not len(moved):
        return pictures["example_id"]
    places = pa.array(moved)
    pairs = zip(
        pictures["content_id"].take(places).to_pylist(), keys.take(places).to_pylist(), strict=True
    )
    mask = np.zeros(len(numbers), bool)
    mask[moved] = True
    made = pa.array([example_id(content, key) for content, key in pairs])
    return pc.replace_with_mask(whole(pictures["example_id"]), pa.array(mask), made)


def _relabelled(rows: pa.Table, overlays: Overlays) -> tuple[pa.Table, np.ndarray]:
    """Return the rows with people's labels, and which of them got one.

    Such a row has no votes, and no class that is left out.
    """
    changed = np.zeros(len(rows), bool)
    if overlays.labels:
        named = pa.array(sorted(overlays.labels))
        labels, distributions = rows["label"].to_pylist(), rows["label_distribution"].to_pylist()
        concerned = pc.or_(
            pc.is_in(rows["example_id"], value_set=named), pc.is_in(rows["key"], value_set=named)
        )
        for row in np.flatnonzero(concerned.to_numpy()):
            label = overlays.label(
                rows["example_id"][row].as_py(), rows["key"][row].as_py(), labels[row]
            )
            changed[row] = label != labels[row]
            labels[row], distributions[row] = label, [] if changed[row] else distributions[row]
        rows = rows.set_column(
            rows.column_names.index("label"), "label", pa.array(labels).dictionary_encode()
        )
        column = rows.column_names.index("label_distribution")
        rows = rows.set_column(
            column, "label_distribution", pa.array(distributions, pa.list_(pa.float32()))
        )
    out = pc.and_not(rows["left_out"], pa.array(changed))
    return (
        rows.append_column(
            "published", pc.if_else(out, CLASS_LEFT_OUT, rows["published_split"].cast(pa.string()))
        ),
        changed,
    )


def _rejected(said: pa.Table, refused: pa.Table | None) -> pa.Table:
    """Rows of `REJECTED`, in the order of the source."""
    at_once = np.flatnonzero(pc.not_equal(said["reason"].cast(pa.string()), "").to_numpy())
    chosen = said.select(["reason", "detail"]).take(pa.array(at_once))
    found = pa.table(
        {
            "row": pa.array(at_once, pa.int64()),
            **{name: chosen[name].cast(pa.string()) for name in ("reason", "detail")},
        }
    )
    if refused is not None:
        found = pa.concat_tables([found, refused]).sort_by("row")
    return pa.table(
        [said["key"].take(found["row"]), found["reason"], found["detail"]], schema=REJECTED
    )
