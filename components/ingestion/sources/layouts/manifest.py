"""A manifest.

A CSV or JSON Lines table with an image per row, its columns uri, label and perhaps split.

A uri is a path from the manifest's folder, which it may not leave, or a gs:// or s3:// address.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from components.ingestion.sources.layouts.class_folders import unknown_classes
from components.ingestion.sources.layouts.columns import listed, listing_digest
from components.ingestion.sources.layouts.files import FileReader, Item, rows_of
from components.ingestion.sources.layouts.layout import (
    SPLIT_NAMES,
    Reading,
    Refusal,
    Standing,
    refuse_hopeless,
)
from components.ingestion.sources.storage import paths
from components.ingestion.sources.storage.folder import Folder
from components.ingestion.sources.storage.storage import Entry, ObjectPlace, ObjectUnreadable, Place
from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import Taxonomy

COLUMNS = frozenset({"uri", "label"})
REMOTE = ("gs://", "s3://")
MAX_TABLE_BYTES = 500_000_000


class Row(NamedTuple):
    """A row, read. ``uri`` is inside its place.

    ``root`` the URI of that place, or nothing for the manifest's own.
    """

    written: str
    uri: str
    root: str
    label: str
    split: str
    refusal: Refusal | None = None


class Manifest:
    """See `components.ingestion.sources.layouts.layout.Layout`. Rows keep their order."""

    name = "manifest"
    voted = False

    def __init__(
        self, place: ObjectPlace, table: Entry, taxonomy: Taxonomy, source: str = ""
    ) -> None:
        self.uri = place.uri
        self.table = table
        self.taxonomy = taxonomy
        self._unknown: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._usable_splits: set[str] = set()
        rows = list(
            _rows(
                _content(place, table),
                table.name,
                f"{place.root}/" if isinstance(place, Folder) else None,
            )
        )
        found = _lookup(place, rows)
        objects = [
            table,
            *dict.fromkeys(
                found[row.root, row.uri] for row in rows if (row.root, row.uri) in found
            ),
        ]
        self.objects = len(objects) - 1
        self.bytes = sum(entry.size for entry in objects[1:])
        self.digest = listing_digest(listed(objects))
        self._rows = rows_of(self._items(rows, found), source, place.origin)

    @property
    def standing(self) -> Standing | None:
        """See `Layout.standing`."""
        return Standing(self._labels, frozenset(self._usable_splits))

    def check_names(self) -> None:
        """See `Layout.check_names`."""
        if self._unknown:
            raise unknown_classes(
                f"{self.table.name} in {self.uri} names unknown classes",
                self._unknown,
                self.taxonomy,
                "correct them",
            )
        if not len(self._rows):
            raise InputError(
                f"the manifest {self.table.name} in {self.uri} has no rows",
                expected="a row per image below the header",
            )

    def check(self) -> None:
        """See `Layout.check`."""
        self.check_names()
        if not self.objects:
            raise InputError(
                f"none of the {len(self._rows):,} images of {self.table.name} in {self.uri} is"
                " there",
                fix="check the paths in it",
            )
        refuse_hopeless(self.uri, self.standing)

    def reading(self, place: Place, scratch: Path) -> Reading:
        """See `Layout.reading`."""
        return Reading(
            self._rows,
            FileReader(),
            {split: count for split, count in self._splits.items() if split},
        )

    def _items(self, rows: list[Row], found: dict[tuple[str, str], Entry]) -> Iterator[Item]:
        seen: set[tuple[str, str]] = set()
        for row in rows:
            item = self._item(
                row, found.get((row.root, row.uri)), again=(row.root, row.uri) in seen
            )
            seen.add((row.root, row.uri))
            self._splits[item.published_split] += 1
            if not item.reason:
                self._usable_splits.add(item.published_split)
                if not item.left_out:
                    self._labels[item.label] += 1
            yield item

    def _item(self, row: Row, entry: Entry | None, *, again: bool) -> Item:
        named = Entry(row.uri or row.written, 0, "")
        if row.refusal is not None:
            return Item(named, reason=row.refusal.reason, detail=row.refusal.detail, root=row.root)
        split = SPLIT_NAMES.get(row.split.lower(), "")
        if row.split and not split:
            return Item(
                named, reason="unknown-split", detail=f"split is {row.split[:40]!r}", root=row.root
            )
        try:
            label = self.taxonomy.label_of(row.label)
        except UnknownNameError:
            self._unknown[row.label] += 1
            return Item(
                named,
                published_split=split,
                reason="unknown-class",
                detail=row.label[:200],
                root=row.root,
            )
        if again:
            return Item(
                named,
                published_split=split,
                reason="duplicate-path",
                detail="an earlier row names this image",
                root=row.root,
            )
        if entry is None:
            return Item(
                named,
                published_split=split,
                reason="vanished",
                detail="there is no such object",
                root=row.root,
            )
        if entry.refusal:
            return Item(
                entry,
                published_split=split,
                reason=entry.refusal,
                detail="no file inside the source",
                root=row.root,
            )
        said = f"{row.written}\0{row.label}\0{row.split}"
        return Item(
            entry._replace(name=row.uri),
            label or row.label.strip().lower(),
            split,
            label is None,
            root=row.root,
            said=said,
        )


def _content(place: ObjectPlace, table: Entry) -> bytes:
    if table.size > MAX_TABLE_BYTES:
        raise InputError(
            f"the manifest {table.name} in {place.uri} has {table.size:,} bytes",
            expected=f"at most {MAX_TABLE_BYTES:,}",
        )
    try:
        return place.read(table)
    except ObjectUnreadable as error:
        raise InputError(
            f"can't read {table.name} in {place.uri}: {error}", fix="download or pack it again"
        ) from error


def _rows(content: bytes, name: str, home: str | None) -> Iterator[Row]:
    folder = os.path.dirname(name)
    parsed = (
        _json_rows(content)
        if name.lower().endswith(paths.JSON_LINES_SUFFIXES)
        else _csv_rows(content)
    )
    for number, row in enumerate(parsed, 1):
        if isinstance(row, Refusal):
            yield Row(f"{name}#{number}", "", "", "", "", row)
        else:
            yield _row(row, folder, home, f"{name}#{number}")


def _csv_rows(content: bytes) -> Iterator[dict[str, str] | Refusal]:
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    columns = [column.strip().lower() for column in next(rows, [])]
    for row in rows:
        if not row:
            continue
        if len(row) != len(columns):
            yield Refusal("wrong-columns", f"{len(row)} values for {len(columns)} columns")
        else:
            yield {column: value.strip() for column, value in zip(columns, row, strict=True)}


def _json_rows(content: bytes) -> Iterator[dict[str, str] | Refusal]:
    for line in content.decode("utf-8-sig", "replace").split("\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not set(row) >= COLUMNS:
            yield Refusal("wrong-columns", "no JSON object with uri and label")
        else:
            yield {
                key: str(row[key]).strip()
                for key in ("uri", "label", "split")
                if row.get(key) is not None
            }


def _row(row: dict[str, str], folder: str, home: str | None, key: str) -> Row:
    """``home`` is what full paths of images in the source start with."""
    written, label, split = row.get("uri", ""), row.get("label", ""), row.get("split", "")
    if not written or not label:
        return Row(key, "", "", label, split, Refusal("wrong-columns", "no uri or no label"))
    if written.startswith(REMOTE):
        bucket, _, name = written.partition("://")[2].partition("/")
        return Row(written, name, f"{written.partition('://')[0]}://{bucket}", label, split)
    full = home is not None and written.startswith(home)
    parts = paths.parts(written[len(home or "") :] if full else written)
    if parts is None or "://" in written:
        return Row(
            written,
            "",
            "",
            label,
            split,
            Refusal("unsafe-path", "the path is absolute or leads out of the manifest's folder"),
        )
    return Row(
        written, "/".join((folder, *parts) if folder and not full else parts), "", label, split
    )


def _lookup(place: ObjectPlace, rows: list[Row]) -> dict[tuple[str, str], Entry]:
    from components.ingestion.sources.storage.open import open_single

    names: dict[str, list[str]] = {}
    for row in rows:
        if row.refusal is None:
            names.setdefault(row.root, []).append(row.uri)
    found: dict[tuple[str, str], Entry] = {}
    for root, wanted in names.items():
        where = open_single(root) if root else place
        found.update({(root, name): entry for name, entry in where.lookup(wanted).items()})
    return found
