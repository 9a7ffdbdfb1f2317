"""What a person does about single pictures: give rows another label, forget a picture for good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingestion.curation.decisions import RELABELS, add_rows, parse
from components.shared.artifacts.contract import MARKERS, Snapshot, read_marker
from components.shared.errors import ContractError, InputError, UnknownNameError
from components.shared.store import keys
from components.shared.store.interface import Store

TRAINED_ON = ("train", "validation")


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten.

    Attributes:
        contents: content ids; every pixel-exact copy goes with them. rows: paths in their sources
            that showed them.
        versions: ``model/version`` of the models that were trained on one of them.
    """

    contents: tuple[str, ...]
    rows: tuple[str, ...]
    versions: tuple[str, ...]


@dataclass(frozen=True)
class _Stored:
    source_id: str
    marker: Snapshot
    rows: pa.Table


def forget(store: Store, name: str, by: str, scratch: Path) -> Forgotten:
    """Keep a picture out of every later snapshot. Again it changes nothing.

    Args:
        name: example id, content id, or path in the source.

    Raises:
        InputError: no snapshot holds it. ConflictError: others keep writing at the same time.
    """
    snapshots = list(_snapshots(store, scratch))
    contents: set[str] = set()
    for stored in snapshots:
        named = pc.or_(
            pc.equal(stored.rows["example_id"], name), pc.equal(stored.rows["content_id"], name)
        )
        contents.update(
            stored.rows.filter(pc.or_(named, pc.equal(stored.rows["source_uri"], name)))[
                "content_id"
            ].to_pylist()
        )
    if not contents:
        raise InputError(
            f"no snapshot in {store.uri} holds {name}",
            expected="an example id, a content id or a path in the source, as a snapshot has them",
            fix="see the column source_uri of the examples",
        )
    uris, trained = set(), set()
    for stored in snapshots:
        shown = stored.rows.filter(pc.is_in(stored.rows["content_id"], pa.array(sorted(contents))))
        uris.update(shown["source_uri"].to_pylist())
        if set(shown["split"].to_pylist()) & set(TRAINED_ON):
            trained.add(stored.marker.snapshot_id)
    at = _now()
    tombstones = [
        {"content_id": content, "source_uri": "", "by": by, "at": at}
        for content in sorted(contents)
    ]
    for source_id in sorted(
        {stored.source_id for stored in snapshots}
    ):  # the picture may be copied from one source to another
        add_rows(store, source_id, "tombstones", tombstones)
    return Forgotten(tuple(sorted(contents)), tuple(sorted(uris)), tuple(_versions(store, trained)))


def relabel(store: Store, file: Path, by: str, scratch: Path) -> int:
    """Take the labels of a CSV (`overlays.RELABELS`) into the overlays of the sources that hold its rows; how many are new.

    Raises:
        InputError: a line names no row, a label that its snapshot doesn't know, or nobody who says
            so.
    """
    try:
        rows = parse(file.read_bytes(), RELABELS, str(file))
    except FileNotFoundError as error:
        raise InputError(
            f"there is no file {file}", expected=f"a CSV with the columns {','.join(RELABELS)}"
        ) from error
    snapshots = list(_snapshots(store, scratch))
    wanted: dict[str, list[dict[str, str]]] = {}
    for number, row in enumerate(rows, 2):
        if not (row["by"] or by):
            raise InputError(
                f"line {number} of {file} doesn't say by whom",
                expected="a name in `by`",
                fix="give --by NAME",
            )
        complete = {**row, "by": row["by"] or by, "at": row["at"] or _now()}
        for source_id in _holding(snapshots, complete, f"line {number} of {file}"):
            wanted.setdefault(source_id, []).append(complete)
    return sum(add_rows(store, source_id, "relabels", found) for source_id, found in wanted.items())


def _holding(snapshots: list[_Stored], row: dict[str, str], where: str) -> set[str]:
    """Return the sources that hold a row. Raises InputError."""
    column, name = (
        ("example_id", row["example_id"])
        if row["example_id"]
        else ("source_uri", row["source_uri"])
    )
    holding = [
        stored for stored in snapshots if pc.any(pc.equal(stored.rows[column], name)).as_py()
    ]
    if not holding:
        raise InputError(
            f"{where} names a row that no snapshot holds",
            expected="an example_id or a source_uri",
            received=name or "nothing",
        )
    for stored in holding:
        if row["label"] not in stored.marker.labels:
            raise UnknownNameError("label", row["label"], stored.marker.labels)
    return {stored.source_id for stored in holding}


def _snapshots(store: Store, scratch: Path) -> Iterator[_Stored]:
    for key in store.list("snapshots"):
        source_id, _, snapshot_id = (
            key.removeprefix("snapshots/").removesuffix(f"/{MARKERS['examples']}").partition("/")
        )
        if not key.endswith(f"/{MARKERS['examples']}") or "/" in snapshot_id:
            continue
        try:
            folder = store.get_tree(
                keys.snapshot(source_id, snapshot_id), MARKERS["examples"], scratch
            )
            marker = read_marker(folder, "examples", Snapshot)
        except ContractError:
            continue  # of an earlier layout
        columns = ["example_id", "content_id", "source_uri", "split"]
        yield _Stored(
            source_id,
            marker,
            pa.concat_tables(
                [pq.read_table(folder / shard, columns=columns) for shard in marker.shards]
            ),
        )


def _versions(store: Store, snapshots: set[str]) -> list[str]:
    """``model/version`` of everything trained on one of the snapshots."""
    found = []
    for key in store.list("models"):
        if key.endswith(f"/{MARKERS['model']}") and "/versions/" in key:
            model_name, version = key.split("/")[1], key.split("/")[3]
            if json.loads(store.read(key) or b"{}").get("snapshot_id") in snapshots:
                found.append(f"{model_name}/{version}")
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
