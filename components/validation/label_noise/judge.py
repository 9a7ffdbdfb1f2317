"""The label-noise report of an examples artifact.

A small model doubts, the champion has a say, a person decides.

The small model (`components.validation.label_noise.out_of_fold`) judges every row without having
seen it. The champion, where there is one, is asked about the most doubtful rows only: it is by far
the better judge and the dearer one, and it may have been trained on the very labels in question, so
it never decides alone.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.shared.artifacts.contract import FEATURE_COLUMNS, Snapshot
from components.shared.errors import ContractError
from components.shared.findings import DoubtfulLabel, LabelNoise
from components.shared.images.decode import ImageRefused, Pixels, encode_png, read_input
from components.shared.preset import ImageSpec
from components.validation.label_noise import out_of_fold, rows
from components.validation.label_noise.doubts import (
    Labels,
    Probabilities,
    doubted,
    margins,
    mean_recall,
)
from components.validation.label_noise.features import COUNT, SIDE, Features, features
from components.validation.rows.tables import USED_SPLITS

MOST_ROWS = 40_000
LEAST_ROWS_PER_LABEL = 30
LISTED = 2_000
SHOWN = 24
PICTURES_AT_ONCE = 256
RELABEL_COLUMNS = ("example_id", "source_uri", "old_label", "label", "by", "at")
_NAMES = ("example_id", "group_id", "source_uri", "split", "label")


@dataclass(frozen=True)
class _Judged:
    """Rows with the probabilities that the small model gives them.

    Attributes:
        numbers: of the rows in the artifact. table: `_NAMES` of each.
    """

    numbers: rows.Rows
    table: pa.Table
    labels: Labels
    probabilities: Probabilities


def judge(
    examples: Path,
    snapshot: Snapshot,
    names: Sequence[str],
    channels: int,
    champion: Path | None,
    relabels: Path,
) -> LabelNoise | None:
    """Judge the labels of an artifact and write the most doubtful rows to ``relabels``, for a person to go through.

    Args:
        names: the labels, in order. channels: of the thumbnails.
        champion: folder of its model artifact. It isn't asked when its labels are others.

    Returns:
        What was found, or None where there are too few rows to fit a model.

    Raises:
        ContractError: a picture can't be decoded, or the champion isn't what its manifest says.
    """
    everything = rows.usable(examples, snapshot, USED_SPLITS, names)
    if len(everything) < LEAST_ROWS_PER_LABEL * len(names):
        return None
    judged = _small_model(
        examples, snapshot, rows.sample(everything, MOST_ROWS, snapshot.snapshot_id), names
    )
    off = doubted(judged.probabilities, judged.labels)
    margin, _ = margins(judged.probabilities, judged.labels)
    listed = np.sort(np.argsort(margin, kind="stable")[:LISTED])
    pictures = _pictures(examples, snapshot, judged.numbers[listed])
    asked = _champion_says(champion, pictures, names)
    together = (
        judged.probabilities[listed]
        if asked is None
        else (judged.probabilities[listed] + asked[1]) / 2
    )
    found = _ranked(judged, listed, together, names)
    _write(relabels, [item for item, _ in found])
    return LabelNoise(
        method="linear discriminant analysis on edge features, five folds by content group"
        + (
            ""
            if asked is None
            else (
                f"; of the {len(listed):,} most doubtful rows the mean of it and the champion"
                f" {asked[0]}"
            )
        ),
        rows=len(judged.labels),
        of_rows=len(everything),
        accuracy=round(mean_recall(judged.probabilities, judged.labels), 4),
        chance=round(1 / len(names), 4),
        doubted={
            name: int((off & (judged.labels == index)).sum()) for index, name in enumerate(names)
        },
        most_doubtful=_shown(found, listed, pictures, judged, channels),
        file=relabels.name,
    )


def _small_model(
    examples: Path, snapshot: Snapshot, numbers: rows.Rows, names: Sequence[str]
) -> _Judged:
    values = np.empty((len(numbers), COUNT + len(FEATURE_COLUMNS)), np.float32)
    tables, first = [], 0
    for table in rows.read(examples, snapshot, numbers, [*_NAMES, *FEATURE_COLUMNS, "image"]):
        values[first : first + len(table), :COUNT] = _features(table["image"].to_pylist())
        for index, name in enumerate(FEATURE_COLUMNS):
            values[first : first + len(table), COUNT + index] = table[name].to_numpy()
        tables.append(table.select(_NAMES))
        first += len(table)
    joined = pa.concat_tables(tables)
    labels = np.array([names.index(label) for label in joined["label"].to_pylist()], np.int64)
    groups = [group or "" for group in joined["group_id"].to_pylist()]
    return _Judged(
        numbers,
        joined,
        labels,
        out_of_fold.predict(values, labels, out_of_fold.folds(groups), len(names)),
    )


def _features(contents: Sequence[bytes]) -> Features:
    parts = [
        contents[first : first + PICTURES_AT_ONCE]
        for first in range(0, len(contents), PICTURES_AT_ONCE)
    ]
    return np.vstack([features(_decoded(part, ImageSpec(SIDE, SIDE, 1))[..., 0]) for part in parts])


def _decoded(contents: Sequence[bytes], spec: ImageSpec) -> Pixels:
    try:
        return np.stack([read_input(content, spec) for content in contents])
    except ImageRefused as error:
        raise ContractError(
            f"a picture among the examples can't be decoded ({error})", fix="run ingest again"
        ) from error


def _pictures(examples: Path, snapshot: Snapshot, numbers: rows.Rows) -> list[bytes]:
    return [
        content
        for table in rows.read(examples, snapshot, numbers, ["image"])
        for content in table["image"].to_pylist()
    ]


def _champion_says(
    champion: Path | None, pictures: Sequence[bytes], names: Sequence[str]
) -> tuple[str, Probabilities] | None:
    """Return the champion's version and its probabilities ``[n, labels]`` of the pictures."""
    if champion is None:
        return None
    from components.shared.inference.model import (
        ServedModel,
    )  # a run without a champion needs no runtime

    model = ServedModel(champion)
    if model.manifest.labels != tuple(names):
        return None
    parts = [
        pictures[first : first + PICTURES_AT_ONCE]
        for first in range(0, len(pictures), PICTURES_AT_ONCE)
    ]
    said = [model.predict(_decoded(part, model.manifest.image)) for part in parts]
    return model.manifest.version, np.concatenate(said).astype(np.float64)


def _ranked(
    judged: _Judged, listed: rows.Rows, together: Probabilities, names: Sequence[str]
) -> list[tuple[dict[str, Any], int]]:
    """Return what there is to say of each listed row that another label fits better, most doubtful first, with its place in ``listed``."""
    labels = judged.labels[listed]
    margin, best = margins(together, labels)
    order = [int(place) for place in np.argsort(margin, kind="stable") if margin[place] < 0]
    told = judged.table.take(pa.array(listed[order])).to_pylist()
    for item, place in zip(told, order, strict=True):
        item["suggested"] = names[best[place]]
        item["label_probability"] = round(float(together[place, labels[place]]), 4)
        item["suggested_probability"] = round(float(together[place, best[place]]), 4)
    return list(zip(told, order, strict=True))


def _shown(
    found: Sequence[tuple[dict[str, Any], int]],
    listed: rows.Rows,
    pictures: Sequence[bytes],
    judged: _Judged,
    channels: int,
) -> tuple[DoubtfulLabel, ...]:
    """Return the first `SHOWN`, of each content group one."""
    first = {item["group_id"]: (item, place) for item, place in reversed(found)}
    chosen = [pair for pair in found if first[pair[0]["group_id"]][1] == pair[1]][:SHOWN]
    return tuple(
        DoubtfulLabel(
            image=_thumbnail(pictures[place], channels),
            **{name: value for name, value in item.items() if name != "group_id"},
        )
        for item, place in chosen
    )


def _thumbnail(content: bytes, channels: int) -> str:
    return (
        "data:image/png;base64,"
        + base64.b64encode(
            encode_png(read_input(content, ImageSpec(SIDE, SIDE, channels)))
        ).decode()
    )


def _write(path: Path, found: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(RELABEL_COLUMNS)
    writer.writerows(
        [item["example_id"], item["source_uri"], item["label"], item["suggested"], "", ""]
        for item in found
    )
    path.write_bytes(text.getvalue().encode())
