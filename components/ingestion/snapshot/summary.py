"""What an examples artifact holds, counted from its rows.

Snapshot id, counts, duplicates, thumbnails.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from components.ingestion.snapshot.schemas import side_by_side
from components.ingestion.snapshot.splits import Codes
from components.ingestion.sources.layouts.columns import whole
from components.shared.artifacts.contract import EXAMPLES_VERSION, SPLITS
from components.shared.findings import Duplicates
from components.shared.images.decode import decode
from components.shared.preset import DataPolicy
from components.shared.serialization import to_json

THUMBNAILS = 6
THUMBNAIL_PIXELS = 64
COLUMNS = ["example_id", "label", "split", "published_split", "note", "contrast"]
_HASHED_ROWS = 10_000


def columns(rows: pa.Table, decided: pa.Table) -> pa.Table:
    """`COLUMNS` of all rows, of what is said and decided of them."""
    found = side_by_side(rows, decided)
    plain = {
        name: found[name].cast(pa.float32() if name == "contrast" else pa.string())
        for name in COLUMNS
    }
    return pa.table({name: whole(column) for name, column in plain.items()})


def snapshot_id(table: pa.Table, policy: DataPolicy) -> str:
    """SHA-256 (hex) over example id, label and split of every row in order, the data policy and the layout's version."""
    digest = hashlib.sha256(f"{EXAMPLES_VERSION}\n{to_json(policy)}\n".encode())
    for start in range(0, len(table), _HASHED_ROWS):
        rows = table.slice(start, _HASHED_ROWS)
        lines = pc.binary_join_element_wise(
            *(whole(rows[name]) for name in ("example_id", "label", "split")), "\0"
        )
        digest.update(
            pc.binary_join(
                pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines), "\n"
            )[0].as_buffer()
        )
        digest.update(b"\n")
    return digest.hexdigest()


def counts_by_split(table: pa.Table, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows per split and label, in their order; every label stands in every split that has rows."""
    found = table.group_by(["split", "label"]).aggregate([([], "count_all")]).to_pylist()
    counted = Counter({(row["split"], row["label"]): row["count_all"] for row in found})
    used = {split for split, _ in counted}
    others = sorted({label for _, label in counted} - set(labels))
    return {
        split: {
            label: counted[split, label]
            for label in [*labels, *(others if split == "left-out" else [])]
        }
        for split in SPLITS
        if split in used
    }


def left_out_reasons(table: pa.Table) -> dict[str, int]:
    """Rows that no split uses, by the reason in their note."""
    return tally(table.filter(pc.equal(table["split"], "left-out"))["note"])


def duplicates(table: pa.Table, content: Codes, group: Codes, min_contrast: float) -> Duplicates:
    """Pixel-exact copies and near duplicates among the rows, whose contents and groups have these codes."""
    copies = np.bincount(content)
    group_of_content = np.zeros(len(copies), np.int64)
    group_of_content[content] = group
    near = np.bincount(group_of_content)
    several = np.flatnonzero(copies[content] > 1)
    label = whole(table["label"]).dictionary_encode()
    pairs = np.unique(content[several] * len(label.dictionary) + label.indices.to_numpy()[several])
    published = table["published_split"]
    training = pc.or_(pc.equal(published, "train"), pc.equal(published, "")).to_numpy()
    training_copies = np.bincount(content[training], minlength=len(copies))
    training_groups = np.bincount(group[training], minlength=len(near))
    test = pc.equal(published, "test").to_numpy()
    twins, near_twins = training_copies[content[test]] > 0, training_groups[group[test]] > 0
    return Duplicates(
        distinct_contents=len(copies),
        groups=int((copies > 1).sum()),
        surplus_rows=len(content) - len(copies),
        test_rows_with_training_twin=int(twins.sum()),
        conflicting_groups=int((np.bincount(pairs // len(label.dictionary)) > 1).sum()),
        training_groups=int((training_copies > 1).sum()),
        training_surplus_rows=int((training_copies - 1).clip(0).sum()),
        near_groups=int((near > 1).sum()),
        near_contents=len(copies) - len(near),
        near_test_rows_with_training_twin=int((near_twins & ~twins).sum()),
        near_constant_rows=int((table["contrast"].to_numpy() < min_contrast).sum()),
    )


def tally(words: pa.ChunkedArray) -> dict[str, int]:
    """How often each word stands, the most frequent first."""
    counted = {found["values"]: found["counts"] for found in pc.value_counts(words).to_pylist()}
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def thumbnails(
    table: pa.Table,
    content: Codes,
    groups: Sequence[tuple[int, int]],
    labels: Sequence[str],
    images: Callable[[Codes], list[bytes]],
) -> dict[str, tuple[str, ...]]:
    """Up to `THUMBNAILS` pictures per label as PNG data URIs, at most `THUMBNAIL_PIXELS` a side.

    Of each label from the first row group that has training rows of it, or any rows used; there the
    ones with the smallest ids, which is as good as drawn and always the same.

    Args:
        table: `COLUMNS` of all rows. content: their codes; equal ones are the same. groups: first
            row, and the one after the last.
        images: the encoded pictures of some rows, in their order.
    """
    ends = np.array([end for _, end in groups])
    training, used = pc.equal(table["split"], "train"), pc.not_equal(table["split"], "left-out")
    found: dict[str, tuple[str, ...]] = dict.fromkeys(labels, ())
    for label in labels:
        labelled = pc.equal(table["label"], label)
        for wanted in (training, used):
            rows = np.flatnonzero(pc.and_(labelled, wanted).to_numpy())
            if len(rows):
                end = ends[np.searchsorted(ends, rows[0], side="right")]
                found[label] = tuple(
                    map(
                        _data_uri,
                        images(_first_pictures(table["example_id"], content, rows[rows < end])),
                    )
                )
                break
    return found


def _first_pictures(ids: pa.ChunkedArray, content: Codes, rows: Codes) -> Codes:
    """Of some rows the first distinct pictures, by id."""
    ordered = rows[pc.sort_indices(ids.take(pa.array(rows))).to_numpy()]
    _, first = np.unique(content[ordered], return_index=True)
    return ordered[np.sort(first)[:THUMBNAILS]]


def _data_uri(content: bytes) -> str:
    image = Image.fromarray(decode(content).pixels)
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
